import type { Element, Nodes, Root } from 'hast';
import bash from 'highlight.js/lib/languages/bash';
import css from 'highlight.js/lib/languages/css';
import diff from 'highlight.js/lib/languages/diff';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { createLowlight } from 'lowlight';

const PREFIX = 'language-';
const lowlight = createLowlight({ bash, css, diff, javascript, json, python, sql, typescript, xml, yaml });

/** Returns a transformer that marks the words of code blocks, if their language is known here. */
export function highlightCode(): (tree: Root) => void {
  return (tree) => {
    visit(tree);
  };
}

/** Returns the language that a code block names, e.g. `python`; an empty text if it names none. */
export function languageOf(code: Nodes | undefined): string {
  const classes = code?.type === 'element' ? code.properties['className'] : undefined;
  const name = Array.isArray(classes) ? classes.find((each) => String(each).startsWith(PREFIX)) : undefined;
  return String(name ?? '').slice(PREFIX.length);
}

function visit(node: Nodes): void {
  if (node.type === 'element' && node.tagName === 'pre') highlight(node);
  else if ('children' in node) for (const child of node.children) visit(child);
}

function highlight(block: Element): void {
  const [code] = block.children;
  const language = languageOf(code);
  if (code?.type !== 'element' || !lowlight.registered(language)) return;
  const text = code.children.map((child) => (child.type === 'text' ? child.value : '')).join('');
  code.children = lowlight.highlight(language, text).children as Element['children'];
}
