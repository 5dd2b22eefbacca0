// The page of the Go client: loads the program and is its terminal.

const $ = (id) => document.getElementById(id);
const screen = $('screen');
const maxLines = 2000;

function show(text, kind) {
  const atEnd = screen.scrollHeight - screen.scrollTop - screen.clientHeight < 40;
  for (const line of text.replace(/\n$/, '').split('\n')) {
    const div = document.createElement('div');
    div.textContent = line;
    div.className = kind ?? (line.startsWith('! ') ? 'trouble' : /^(\d\d:\d\d )?\* /.test(line) ? 'note' : '');
    screen.append(div);
  }
  while (screen.childElementCount > maxLines) screen.firstElementChild.remove();
  if (atEnd) screen.scrollTop = screen.scrollHeight;
}

function stored(name, make) {
  try {
    let value = sessionStorage.getItem(`terminal.${name}`);
    if (!value) sessionStorage.setItem(`terminal.${name}`, value = make());
    return value;
  } catch { return make(); }
}

const random = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, '0')).join('');

// What the program finds, see main_js.go.
globalThis.terminal = {
  url: location.origin,
  nick: stored('nick', () => 'Gopher'),
  key: stored('key', () => random(16)),
  print: (text) => show(text),
  save: (name, pieces) => {
    const a = document.createElement('a'), item = document.createElement('li'), blob = new Blob(pieces);
    a.href = URL.createObjectURL(blob);
    a.dataset.size = blob.size;
    a.download = name;
    a.textContent = `Save ${name}`;
    item.append(a);
    $('saved').append(item);
  },
};

function state(name) {
  document.body.dataset.state = name;
  const running = name === 'running';
  $('line').disabled = $('attach').disabled = !running;
  if (running) $('line').focus();
}

function loadScript(src) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = src;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${src} cannot be loaded`));
    document.head.append(script);
  });
}

// fetched is a response, or the reason of the room why there is none.
async function fetched(url) {
  const response = await fetch(url);
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.reason ?? `${url}: ${response.status} ${response.statusText}`);
}

async function run() {
  show('Loading the program. The first time the room builds it, which takes a moment.', 'note');
  const response = await fetched('terminal.wasm');
  await loadScript('wasm_exec.js');
  const go = new Go();
  const { instance } = await WebAssembly.instantiateStreaming(response, go.importObject);
  const ended = go.run(instance); // main runs until it waits
  state('running');
  await ended;
  state('left');
  show('The program has ended. Load the page again to come back.', 'note');
}

$('prompt').addEventListener('submit', (e) => {
  e.preventDefault();
  const line = $('line').value;
  $('line').value = '';
  if (!line.trim() || $('line').disabled) return;
  show(`> ${line}`, 'typed');
  terminal.type(line);
});
$('attach').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', () => {
  for (const file of $('file').files) {
    show(`> offer ${file.name}`, 'typed');
    terminal.offer(file);
  }
  $('file').value = '';
});

run().catch((e) => {
  state('failed');
  show(`! ${e.message}`, 'trouble');
});
