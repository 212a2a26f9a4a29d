/** Stands where text will be, as large as the text, so that nothing moves when it comes. */
export const Ghost = ({ width = 8 }: { readonly width?: number }) => (
  <span className="ghost" aria-hidden="true">
    {"\u00a0".repeat(width * 2)}
  </span>
);

export const GhostPage = () => (
  <div aria-busy="true" aria-label="Loading">
    <div className="head">
      <h1>
        <Ghost width={12} />
      </h1>
    </div>
    <div className="panel">
      <Ghost width={30} />
    </div>
  </div>
);
