import type { Element, Nodes, Root } from 'hast';

/** The attributes that an answer may have. Others, such as ids, would be the page's own names. */
const ATTRIBUTES = new Set(['align', 'alt', 'checked', 'className', 'href', 'src', 'start', 'title']);
const BLOCKS = new Set(['blockquote', 'h3', 'h4', 'h5', 'h6', 'li', 'ol', 'p', 'ul']);
const HEADING = /^h([1-6])$/;
/** The page's own headings have levels 1 and 2. */
const FIRST_LEVEL = 3;
const LAST_LEVEL = 6;

/** Returns a transformer of an answer: it continues the page's headings without a gap, and sets the direction of each block. */
export function prepareAnswer(): (tree: Root) => void {
  return (tree) => {
    const ranks: number[] = [];
    visit(tree, (element) => {
      const rank = HEADING.exec(element.tagName)?.[1];
      if (rank !== undefined) element.tagName = `h${levelOf(Number(rank), ranks)}`;
      for (const name of Object.keys(element.properties)) if (!ATTRIBUTES.has(name)) delete element.properties[name];
      if (BLOCKS.has(element.tagName)) element.properties['dir'] = 'auto';
    });
  };
}

/** Returns the level of the next heading. `ranks` are those of the headings that it is part of. */
function levelOf(rank: number, ranks: number[]): number {
  while ((ranks.at(-1) ?? 0) >= rank) ranks.pop();
  ranks.push(rank);
  return Math.min(FIRST_LEVEL + ranks.length - 1, LAST_LEVEL);
}

function visit(node: Nodes, change: (element: Element) => void): void {
  if (node.type === 'element') change(node);
  if ('children' in node) for (const child of node.children) visit(child, change);
}
