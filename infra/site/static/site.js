// Gives each block of code a button that copies it, lets the keyboard reach what scrolls sideways, and gives screen
// readers what the theme leaves out.

// A command goes on while its line ends with a backslash or a quote is open.
function isOpen(command) {
  const single = command.split("'").length - 1;
  return command.endsWith('\\') || single % 2 === 1 || (single === 0 && command.split('"').length % 2 === 0);
}

// Of a session on the console, only the commands.
function commandsOf(session) {
  const commands = [];
  let open = false;
  for (const line of session.split('\n')) {
    if (open) commands.push(`${commands.pop()}\n${line}`);
    else if (line.startsWith('$ ')) commands.push(line.slice(2));
    else continue;
    open = isOpen(commands.at(-1));
  }
  return commands.join('\n');
}

function textOf(block) {
  const text = block.querySelector('pre').textContent.trimEnd();
  return text.startsWith('$ ') ? commandsOf(text) : text;
}

function addCopyButton(block) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'copy';
  button.textContent = 'Copy';
  button.setAttribute('aria-live', 'polite');
  button.addEventListener('click', async () => {
    await navigator.clipboard.writeText(textOf(block));
    button.textContent = 'Copied';
    setTimeout(() => (button.textContent = 'Copy'), 2000);
  });
  block.append(button);
}

function markScrollable(element) {
  if (element.scrollWidth > element.clientWidth) element.tabIndex = 0;
  else element.removeAttribute('tabindex');
}

function markAllScrollable() {
  document.querySelectorAll('.highlight pre, .table-wrapper, pre.mermaid').forEach(markScrollable);
}

for (const caption of document.querySelectorAll('p.caption[role=heading]')) caption.setAttribute('aria-level', '2');
for (const cell of document.querySelectorAll('th')) if (!cell.textContent.trim()) cell.setAttribute('role', 'cell');
document.querySelector('aside.sidebar-drawer')?.setAttribute('aria-label', 'Pages');
document.querySelector('aside.toc-drawer')?.setAttribute('aria-label', 'On this page');
// Browsers have a clipboard in secure contexts only.
if (navigator.clipboard) document.querySelectorAll('div.highlight').forEach(addCopyButton);
markAllScrollable();
addEventListener('resize', markAllScrollable);
addEventListener('diagrams-drawn', markAllScrollable);
