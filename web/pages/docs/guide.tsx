/** A guide, read from the files of this clone. */
import { useEffect, type ReactNode } from "react";
import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";
import { href } from "../../components/address.ts";
import { ErrorNote } from "../../components/error-note.tsx";
import { Ghost } from "../../components/ghost.tsx";
import { LoadAgain } from "../../components/load-again.tsx";
import { Markdown } from "../../components/markdown.tsx";
import { forgetLoadedAgainFor } from "../../data/load-again.ts";
import { GUIDE_NAMES, readGuide } from "./guides.ts";

export function Guide({ name }: { readonly name: string }) {
  const part = `guide ${name}`;
  const guide = useQuery({
    queryKey: ["guide", name],
    staleTime: Infinity,
    // Only a reload of the page loads code that has failed.
    refetchOnWindowFocus: false,
    queryFn: async () => {
      const text = await readGuide(name);
      forgetLoadedAgainFor(part);
      return text;
    },
  });
  const text = guide.data;
  useEffect(() => {
    // The place in the text is known when the text is there.
    if (text !== undefined) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  }, [text]);
  if (!GUIDE_NAMES.includes(name))
    return <ErrorNote error={`There are: ${GUIDE_NAMES.join(", ")}.`} what={`There is no guide ${name}.`} />;
  if (guide.error !== null) return <LoadAgain key={name} part={part} error={guide.error} />;
  if (text === undefined) return <Ghost width={30} />;
  return (
    <article className="prose">
      <Markdown text={text} linkOf={linkOf} />
    </article>
  );
}

/** Other guides are pages too. Files of the source are named, because only the clone has them. */
function linkOf(target: string, words: ReactNode): ReactNode {
  const [, name, place = ""] = /^([\w-]+)\.md(#.*)?$/.exec(target) ?? [];
  if (name !== undefined && GUIDE_NAMES.includes(name))
    return <Link href={href("/docs", { guide: name }) + place}>{words}</Link>;
  if (target.startsWith("#")) return <a href={target}>{words}</a>;
  if (!/^https?:/.test(target)) return words;
  return (
    <a href={target} target="_blank" rel="noreferrer">
      {words}
    </a>
  );
}
