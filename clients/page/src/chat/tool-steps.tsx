import type { ToolStep } from '@hybrid-memory/react';
import { formatCount } from '../format.ts';

/** The tools that the agent used before its answer, with their arguments and results. */
export function ToolSteps({ steps }: { steps: readonly ToolStep[] }) {
  const calls = steps.filter(({ type }) => type === 'tool_call');
  const names = [...new Set((calls.length > 0 ? calls : steps).map(({ name }) => name).filter((name) => name !== ''))];
  return (
    <details className="steps">
      <summary>
        {calls.length > 0 ? `Used ${formatCount(calls.length, 'tool')}` : 'Result of a tool'}
        {names.length > 0 && <>: {names.join(', ')}</>}
      </summary>
      <ol>
        {steps.map(({ type, id, name, text }, index) => (
          <li key={index}>
            <span>
              {type === 'tool_call' ? 'Called' : 'Result of'}{' '}
              <strong>{name || steps.find((each) => each.id === id && each.name !== '')?.name || 'the tool'}</strong>
            </span>
            {text !== '' && (
              <pre tabIndex={0} role="group" aria-label={type === 'tool_call' ? 'Arguments' : 'Result'}>
                {text}
              </pre>
            )}
          </li>
        ))}
      </ol>
    </details>
  );
}
