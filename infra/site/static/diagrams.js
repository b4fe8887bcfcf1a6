// Draws the Mermaid diagrams in the colours of the theme, and again when the theme changes.

const diagrams = [...document.querySelectorAll('pre.mermaid')].map((element) => ({
  element,
  code: element.textContent,
  label: `Diagram: ${element.closest('section').querySelector('h1, h2, h3').firstChild.textContent}`,
}));
const FONT = getComputedStyle(document.body).fontFamily;
const dark = matchMedia('(prefers-color-scheme: dark)');

function theme() {
  const chosen = document.body.dataset.theme;
  return chosen === 'dark' || (chosen !== 'light' && dark.matches) ? 'dark' : 'neutral';
}

async function draw() {
  const themeVariables = theme() === 'dark' ? { edgeLabelBackground: '#26272b' } : {};
  mermaid.initialize({ startOnLoad: false, theme: theme(), themeVariables, securityLevel: 'strict', fontFamily: FONT });
  for (const { element, code } of diagrams) {
    element.removeAttribute('data-processed');
    element.textContent = code;
  }
  await mermaid.run({ nodes: diagrams.map(({ element }) => element) });
  for (const { element, label } of diagrams) element.querySelector('svg').setAttribute('aria-label', label);
  dispatchEvent(new Event('diagrams-drawn'));
}

let drawn = theme();
draw();

function redraw() {
  if (drawn === theme()) return;
  drawn = theme();
  draw();
}

dark.addEventListener('change', redraw);
new MutationObserver(redraw).observe(document.body, { attributeFilter: ['data-theme'] });
