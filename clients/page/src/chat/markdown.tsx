import { Component, memo, useRef, type ReactNode } from 'react';
import ReactMarkdown, { type Components, type Options } from 'react-markdown';
import remarkGfm from 'remark-gfm';
import { CopyButton } from './copy-button.tsx';
import { highlightCode, languageOf } from './highlight-code.ts';
import { prepareAnswer } from './prepare-answer.ts';

// The parser takes quadratic time for some texts, so a longer text, or one with more marks, is shown as it is.
const MAX_LENGTH = 30_000;
const MAX_MARKS = 3_000;

const PLUGINS: Pick<Options, 'remarkPlugins' | 'rehypePlugins'> = {
  remarkPlugins: [remarkGfm],
  rehypePlugins: [highlightCode, prepareAnswer],
};

const COMPONENTS: Components = {
  a: ({ href, children }) => <Link href={href}>{children}</Link>,
  // The page loads nothing from other servers.
  img: ({ src, alt }) => <Link href={src}>{alt === undefined || alt === '' ? 'Image' : alt}</Link>,
  pre: ({ node, children }) => {
    return <CodeBlock language={languageOf(node?.children[0])}>{children}</CodeBlock>;
  },
  table: ({ children }) => (
    <div className="table-box" role="group" aria-label="Table" tabIndex={0}>
      <table>{children}</table>
    </div>
  ),
  th: ({ node, children }) => (
    <th dir="auto" data-align={node?.properties['align']}>
      {children}
    </th>
  ),
  td: ({ node, children }) => (
    <td dir="auto" data-align={node?.properties['align']}>
      {children}
    </td>
  ),
  // The only form field of Markdown is the box of a task.
  input: ({ checked }) => (
    <span role="img" aria-label={checked === true ? 'Done:' : 'To do:'}>
      {checked === true ? '☑' : '☐'}
    </span>
  ),
};

/** An answer in Markdown. Markup in it is shown as text, and links lead only to web pages and e-mail addresses. */
export const Markdown = memo(function Markdown({ content }: { content: string }) {
  const plain = (
    <p className="text" dir="auto">
      {content}
    </p>
  );
  const marks = content.match(/[*_~>[]/g)?.length ?? 0;
  if (content.length > MAX_LENGTH || marks > MAX_MARKS) return plain;
  return (
    <Fallback key={content} instead={plain}>
      <div className="markdown">
        <ReactMarkdown {...PLUGINS} components={COMPONENTS} urlTransform={safeUrl}>
          {content}
        </ReactMarkdown>
      </div>
    </Fallback>
  );
});

interface FallbackProps {
  instead: ReactNode;
  children: ReactNode;
}

/** Shows another content if the parser fails, for example at markup that is nested a thousand times. */
class Fallback extends Component<FallbackProps, { hasFailed: boolean }> {
  override state = { hasFailed: false };

  static getDerivedStateFromError(): { hasFailed: boolean } {
    return { hasFailed: true };
  }

  override render(): ReactNode {
    return this.state.hasFailed ? this.props.instead : this.props.children;
  }
}

function safeUrl(url: string): string {
  return /^(https?:\/\/|mailto:)/i.test(url) ? url : '';
}

function Link({ href, children }: { href: string | undefined; children: ReactNode }) {
  if (href === undefined || href === '') return <span>{children}</span>;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function CodeBlock({ language, children }: { language: string; children: ReactNode }) {
  const code = useRef<HTMLPreElement>(null);
  return (
    <div className="code-block" dir="ltr">
      <div className="code-head">
        <span>{language}</span>
        <CopyButton label="Copy code" text={() => code.current?.textContent ?? ''} />
      </div>
      <pre ref={code} tabIndex={0} role="group" aria-label="Code">
        {children}
      </pre>
    </div>
  );
}
