/** The body of an upload, telling how much of it has gone. */

export interface UploadProgress {
  readonly sentBytes: number;
  readonly totalBytes: number;
}

export type OnUploadProgress = (progress: UploadProgress) => void;

/** Small enough for a bar that moves, large enough to cost nothing. */
const PIECE_BYTES = 64 * 1024;

/**
 * Pieces that are asked for as the network takes them. Browsers stream request bodies over HTTP/2 at best, so they send
 * the whole and report its beginning and its end only.
 */
export function uploadBody(
  bytes: Uint8Array<ArrayBuffer>,
  onProgress: OnUploadProgress | undefined,
): () => RequestInit {
  const totalBytes = bytes.byteLength;
  if (onProgress === undefined || "XMLHttpRequest" in globalThis) return () => ({ body: bytes });
  return () => {
    let sentBytes = 0;
    onProgress({ sentBytes, totalBytes });
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          // Asked for more: what was given before is on its way.
          if (sentBytes > 0) onProgress({ sentBytes, totalBytes });
          if (sentBytes >= totalBytes) {
            controller.close();
            return;
          }
          const piece = bytes.subarray(sentBytes, sentBytes + PIECE_BYTES);
          sentBytes += piece.byteLength;
          controller.enqueue(piece);
        },
      },
      { highWaterMark: 0 },
    );
    return { body, duplex: "half" };
  };
}
