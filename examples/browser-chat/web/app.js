// The page: wires the connection, the files and the pointers to what is shown.

import { Connection } from './connection.js';
import { Ping, Pointers, figures } from './live.js';
import { Transfers } from './transfers.js';
import { $, Messages, TransferList, el, hue, showPeople, showState, showStats } from './view.js';

const random = (bytes) => Array.from(crypto.getRandomValues(new Uint8Array(bytes)), (b) => b.toString(16).padStart(2, '0')).join('');

// The seat of this tab: it survives a reload, and a copied tab that shows the
// same key replaces this one.
const seat = { key: stored('key') ?? random(16), nick: stored('nick') ?? friendlyName() };
store();

function stored(name) {
  try { return sessionStorage.getItem(`room.${name}`); } catch { return null; }
}

function store() {
  try {
    for (const [name, value] of Object.entries(seat)) sessionStorage.setItem(`room.${name}`, value);
  } catch { /* a browser without storage forgets the seat at a reload, no more */ }
}

function friendlyName() {
  const pick = (words) => words[crypto.getRandomValues(new Uint32Array(1))[0] % words.length];
  return `${pick(['Amber', 'Brave', 'Calm', 'Clever', 'Gentle', 'Lucky', 'Merry', 'Quick', 'Quiet', 'Silver', 'Sunny', 'Swift'])} `
    + pick(['Badger', 'Falcon', 'Fox', 'Heron', 'Ibis', 'Lynx', 'Marten', 'Otter', 'Owl', 'Robin', 'Seal', 'Wren']);
}

let room = '', me = '', last = 0, since = 0, unread = 0;
let people = [];
const unconfirmed = new Map(); // ref -> text, said and not yet seen in the history

const messages = new Messages();
const transferList = new TransferList((t) => transfers.dismiss(t));
const connection = new Connection({ hello, onEvent, onLive, onState });
const transfers = new Transfers({ connection: () => connection, changed: (t) => transferList.show(t) });
const sendLive = (m) => {
  const live = connection.live;
  // What waits behind a full buffer would be stale when it leaves.
  if (connection.state !== 'open' || live?.readyState !== 'open' || live.bufferedAmount > 1024) return false;
  live.send(JSON.stringify(m));
  return true;
};
const pointers = new Pointers($('stage'), $('pointers'), sendLive);
const ping = new Ping(sendLive);

function hello() {
  return { type: 'hello', v: 1, key: seat.key, nick: seat.nick, room, after: last, files: [...transfers.held.keys()] };
}

function onState(state, detail) {
  showState(state, detail);
  if (state === 'open') since ||= Date.now();
  else if (state !== 'shaky') {
    since = 0;
    ping.reset();
    pointers.clear();
  }
}

function onEvent(e) {
  switch (e.type) {
    case 'welcome':
      me = document.body.dataset.me = e.you;
      if (e.fresh) {
        messages.clear();
        last = 0;
        if (room) transfers.held.clear();
      }
      room = e.room;
      Object.assign(transfers.limits, e.limits);
      break;
    case 'entry':
      if (e.entry.seq > last) {
        last = e.entry.seq;
        onEntry(e.entry);
      }
      break;
    case 'ready': // what the history does not show did not arrive
      for (const [ref, text] of unconfirmed) connection.send({ type: 'say', text, ref });
      messages.toEnd();
      break;
    case 'people':
      onPeople(e.people ?? []);
      break;
    case 'send':
      transfers.send(e.id);
      break;
    case 'gone':
      transfers.gone(e.id);
      messages.gone(e.id);
      break;
    case 'receipt':
      transfers.receipt(e.receipt);
      break;
    case 'problem':
      unconfirmed.delete(e.ref);
      transfers.refused(e.ref);
      messages.problem(e.reason, e.ref);
      break;
  }
}

function onEntry(e) {
  const mine = e.from === me;
  if (mine && e.ref) unconfirmed.delete(e.ref);
  let actions = [];
  if (e.kind === 'file') {
    const { id, name, size } = e.file;
    if (mine) transfers.accepted(e.ref, id);
    actions = mine
      ? [el('button', { type: 'button', class: 'withdraw', onclick: () => connection.send({ type: 'withdraw', id }) }, 'Withdraw')]
      : [el('button', { type: 'button', class: 'download', 'aria-label': `Download ${name}`, onclick: () => download(id, name, size) }, 'Download')];
  }
  messages.entry(e, { mine, actions });
  if (!mine || e.kind === 'say' || e.kind === 'file') $('empty').hidden = true;
  if (!mine && document.hidden && (e.kind === 'say' || e.kind === 'file')) showUnread(unread + 1);
}

function download(id, name, size) {
  if (connection.chat?.readyState === 'open') transfers.receive(id, name, size);
  else messages.problem(`${name} cannot be received: there is no connection to the room.`);
}

function onPeople(list) {
  for (const p of people) if (!list.some((q) => q.id === p.id)) pointers.remove(p.id);
  people = list;
  showPeople(people, me);
  const self = people.find((p) => p.id === me);
  if (self) {
    seat.nick = self.nick;
    store();
    if (document.activeElement !== $('nick')) $('nick').value = self.nick;
  }
}

function onLive(m) {
  if (m.t === 'pong') ping.pong(m.n);
  if (m.t === 'ptr') {
    const person = people.find((p) => p.id === m.id);
    pointers.show(m, person && { nick: person.nick, hue: hue(person.id) });
  }
}

// The composer.

const box = $('message');

function say() {
  const text = box.value.trim();
  if (!text) return;
  const ref = random(8);
  unconfirmed.set(ref, text);
  messages.pending(ref, me, seat.nick, text);
  $('empty').hidden = true;
  connection.send({ type: 'say', text, ref });
  box.value = '';
  fitBox();
}

function fitBox() {
  box.style.height = 'auto';
  box.style.height = `${Math.min(box.scrollHeight, 160)}px`;
}

$('composer').addEventListener('submit', (e) => {
  e.preventDefault();
  say();
  box.focus();
});
box.addEventListener('input', fitBox);
box.addEventListener('keydown', (e) => {
  if (e.key === 'Enter' && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    say();
  }
});

// The name.

function rename() {
  const nick = $('nick').value.trim();
  if (nick && nick !== seat.nick) {
    seat.nick = nick;
    store();
    connection.send({ type: 'nick', nick });
  } else $('nick').value = seat.nick;
}

$('nick').value = seat.nick;
$('nick').addEventListener('change', rename);
$('nick-form').addEventListener('submit', (e) => {
  e.preventDefault();
  rename();
  box.focus();
});

// Files: chosen, pasted or dropped.

function offerAll(files) {
  for (const file of files) {
    const problem = transfers.offer(file, random(8));
    if (problem) messages.problem(problem);
  }
}

$('file').addEventListener('change', () => {
  offerAll($('file').files);
  $('file').value = '';
});
$('attach').addEventListener('click', () => $('file').click());
addEventListener('paste', (e) => {
  if (e.clipboardData?.files.length) {
    e.preventDefault();
    offerAll(e.clipboardData.files);
  }
});
addEventListener('dragover', (e) => {
  if (!e.dataTransfer?.types.includes('Files')) return;
  e.preventDefault();
  document.body.classList.add('dropping');
});
addEventListener('dragleave', (e) => {
  if (!e.relatedTarget) document.body.classList.remove('dropping');
});
addEventListener('drop', (e) => {
  document.body.classList.remove('dropping');
  if (!e.dataTransfer?.files.length) return;
  e.preventDefault();
  offerAll(e.dataTransfer.files);
});

// Around it.

$('banner-action').addEventListener('click', () => {
  if ($('banner').dataset.code === 'replaced') { // a seat of its own, beside the other window's
    seat.key = random(16);
    store();
    last = 0;
    room = '';
  }
  connection.start();
});

function showSide(open) {
  document.body.classList.toggle('side-open', open);
  $('side-toggle').setAttribute('aria-expanded', String(open));
}
$('side-toggle').addEventListener('click', () => showSide(!document.body.classList.contains('side-open')));
addEventListener('keydown', (e) => { if (e.key === 'Escape') showSide(false); });
$('stage').addEventListener('click', () => showSide(false));

function showUnread(n) {
  unread = n;
  document.title = n ? `(${n}) Room` : 'Room';
}
document.addEventListener('visibilitychange', () => { if (!document.hidden) showUnread(0); });

setInterval(async () => {
  const pc = connection.pc;
  const f = pc && connection.state === 'open' ? await figures(pc).catch(() => ({})) : {};
  const buffered = connection.chat ? connection.chat.bufferedAmount + connection.live.bufferedAmount + transfers.buffered : null;
  showStats({ rtt: ping.rtt, lost: ping.lost, iceRTT: f.rtt, sent: f.sent, received: f.received, path: f.path, buffered,
    up: since ? (Date.now() - since) / 1000 : null });
}, 1000);

connection.start();
