// What the page shows. Everything that comes from others goes in as text.

export const $ = (id) => document.getElementById(id);

/** Creates an element: el('li', {class: 'x', dataset: {id}}, 'text', child). */
export function el(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'dataset') {
      for (const [k, v] of Object.entries(value)) if (v !== undefined && v !== null) e.dataset[k] = v;
    } else if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (value !== undefined && value !== null && value !== false) e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined && c !== ''));
  return e;
}

/** A colour that stays with a member, far from that of who came next: the golden angle on. */
export function hue(id) {
  let h = 0;
  for (const c of id) h = (h * 31 + c.charCodeAt(0)) >>> 0;
  return Math.round(h * 137.508) % 360;
}

export function avatar(id, nick) {
  const e = el('span', { class: 'avatar', 'aria-hidden': 'true' }, [...nick][0]?.toUpperCase() ?? '?');
  e.style.setProperty('--hue', hue(id));
  return e;
}

export function formatSize(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes, i = -1;
  do { value /= 1000; i++; } while (value >= 999.95 && i < units.length - 1);
  return `${value.toFixed(value < 100 ? 1 : 0)} ${units[i]}`;
}

function formatSeconds(s) {
  if (s < 60) return `${Math.ceil(s)} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${Math.floor(s % 60)} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor(s % 3600 / 60)} min`;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });

/** Text with its http(s) addresses as links. */
function linked(text) {
  return text.split(/(https?:\/\/[^\s<>"]+[^\s<>".,;:!?)\]}'])/g).map((part, i) => (i % 2
    ? el('a', { href: part, target: '_blank', rel: 'noopener noreferrer nofollow' }, part)
    : part));
}

const MAX_ROWS = 1000;
const GROUP_MS = 5 * 60 * 1000;

export class Messages {
  #list = $('messages');
  #toEnd = $('to-end');
  #pending = new Map(); // ref -> row

  constructor() {
    this.#list.addEventListener('scroll', () => { if (this.#atEnd()) this.#toEnd.hidden = true; });
    this.#toEnd.addEventListener('click', () => this.toEnd());
    new ResizeObserver(() => { if (this.#toEnd.hidden) this.toEnd(); }).observe(this.#list);
  }

  #atEnd() {
    return this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 60;
  }

  toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#toEnd.hidden = true;
  }

  clear() {
    this.#list.replaceChildren(...this.#pending.values());
  }

  #add(row, own) {
    const follow = this.#atEnd();
    const first = this.#pending.values().next().value;
    if (first && !('pending' in row.dataset)) first.before(row);
    else this.#list.append(row);
    this.#group(row);
    while (this.#list.children.length > MAX_ROWS) this.#list.firstElementChild.remove();
    if (follow || own) this.toEnd();
    else this.#toEnd.hidden = false;
  }

  /** Hides the head of a message that continues the one above. */
  #group(row) {
    const above = row.previousElementSibling;
    const continues = above && row.dataset.from && ['say', 'file'].includes(row.dataset.kind)
      && ['say', 'file'].includes(above.dataset.kind) && above.dataset.from === row.dataset.from
      && above.dataset.nick === row.dataset.nick && row.dataset.at - above.dataset.at < GROUP_MS;
    row.classList.toggle('continues', Boolean(continues));
  }

  /** An entry of the room's history. @param {{mine: boolean, actions?: Node[]}} how */
  entry(e, { mine, actions }) {
    const data = { kind: e.kind, seq: e.seq, from: e.from, nick: e.nick, at: e.at };
    if (e.kind === 'say') {
      this.#confirm(e.ref, mine);
      this.#add(this.#bubble(e, mine, data, el('p', { class: 'text', dir: 'auto' }, ...linked(e.text))), false);
      return;
    }
    if (e.kind === 'file') {
      const { id, name, size, gone } = e.file;
      Object.assign(data, { file: id, name, size, gone: gone || undefined });
      this.#add(this.#bubble(e, mine, data, el('div', { class: 'file-card' },
        el('span', { class: 'file-icon', 'aria-hidden': 'true' }, (name.match(/\.(\w{1,4})$/)?.[1] ?? 'file').toUpperCase()),
        el('span', { class: 'file-name' }, el('span', { class: 'text', dir: 'auto' }, name), el('small', {}, gone ? `${formatSize(size)}, no longer available` : formatSize(size))),
        ...(gone ? [] : actions))), false);
      return;
    }
    const text = { join: `${e.nick} joined`, leave: `${e.nick} left`, nick: `${e.nick} is now ${e.text}` }[e.kind];
    if (text) this.#add(el('li', { class: 'note', dataset: data }, el('span', { class: 'text', dir: 'auto' }, text)), false);
  }

  #bubble(e, mine, data, content) {
    const time = new Date(e.at);
    const row = el('li', { class: mine ? 'message mine' : 'message', dataset: data },
      avatar(e.from, e.nick),
      el('div', { class: 'body' },
        el('p', { class: 'head' }, el('b', { dir: 'auto' }, mine ? 'You' : e.nick), ' ', el('time', { datetime: time.toISOString() }, clock.format(time))),
        content));
    row.style.setProperty('--hue', hue(e.from));
    return row;
  }

  /** A message of ours that the room has not confirmed yet. */
  pending(ref, from, nick, text) {
    const e = { from, nick, at: Date.now() };
    const row = this.#bubble(e, true, { kind: 'say', from, nick, at: e.at, pending: '' }, el('p', { class: 'text', dir: 'auto' }, ...linked(text)));
    this.#pending.set(ref, row);
    this.#add(row, true);
  }

  #confirm(ref, mine) {
    if (!mine || !ref) return;
    this.#pending.get(ref)?.remove();
    this.#pending.delete(ref);
  }

  problem(text, ref) {
    this.#pending.get(ref)?.remove();
    this.#pending.delete(ref);
    this.#add(el('li', { class: 'note problem', role: 'alert', dataset: { kind: 'problem' } }, el('span', { class: 'text' }, text)), true);
  }

  /** The file is no longer on offer. */
  gone(id) {
    for (const row of this.#list.querySelectorAll('li[data-kind=file]')) {
      if (row.dataset.file !== id || 'gone' in row.dataset) continue;
      row.dataset.gone = 'true';
      row.querySelector('small').textContent = `${formatSize(Number(row.dataset.size))}, no longer available`;
      for (const b of row.querySelectorAll('button')) b.remove();
    }
  }
}

export function showPeople(people, me) {
  $('people-count').textContent = people.length;
  $('people').replaceChildren(...people.map((p) => el('li', { dataset: { id: p.id, nick: p.nick, away: p.away || undefined } },
    avatar(p.id, p.nick),
    el('span', { class: 'name', dir: 'auto' }, p.nick),
    p.id === me ? el('small', {}, 'you') : null,
    p.away ? el('small', {}, 'connection lost') : null)));
}

/** The list of transfers: one row for each file and direction. */
export class TransferList {
  #list = $('transfers');
  #rows = new Map(); // key -> row

  /** @param {(t: object) => void} dismiss */
  constructor(dismiss) {
    this.dismiss = dismiss;
  }

  show(t) {
    let row = this.#rows.get(t.key);
    if (!row) {
      row = el('li', {},
        el('p', { class: 'title' }, el('span', { class: 'direction', 'aria-hidden': 'true' }, t.direction === 'send' ? '\u2191' : '\u2193'),
          el('span', { class: 'name', dir: 'auto' }, t.name),
          el('button', { type: 'button', class: 'dismiss' })),
        el('progress', { 'aria-label': `${t.direction === 'send' ? 'Sending' : 'Receiving'} ${t.name}` }),
        el('p', { class: 'note', role: 'status' }),
        el('p', { class: 'hash' }),
        el('ul', { class: 'receipts' }));
      this.#rows.set(t.key, row);
      this.#list.prepend(row);
    }
    row.querySelector('.dismiss').onclick = () => {
      const done = !t.busy;
      this.dismiss(t);
      if (done) this.#remove(t.key);
    };
    this.#update(row, t);
    document.body.dataset.transfers = this.#rows.size;
  }

  #remove(key) {
    forgetBlob(this.#rows.get(key));
    this.#rows.get(key).remove();
    this.#rows.delete(key);
    document.body.dataset.transfers = this.#rows.size;
  }

  #update(row, t) {
    Object.assign(row.dataset, { file: t.id, direction: t.direction, state: t.state, bytes: t.bytes, size: t.size });
    if (t.verified !== null) row.dataset.verified = t.verified;
    else delete row.dataset.verified;
    row.dataset.sha256 = t.sha256;
    const bar = row.querySelector('progress');
    bar.max = Math.max(1, t.size);
    if (t.state === 'waiting') bar.removeAttribute('value');
    else bar.value = t.state === 'done' ? bar.max : t.bytes;
    row.querySelector('.note').textContent = status(t);
    row.querySelector('.hash').replaceChildren(...(t.sha256 ? ['SHA-256 ', el('code', { title: t.sha256 }, t.sha256)] : []));
    const dismiss = row.querySelector('.dismiss');
    dismiss.textContent = t.busy ? 'Cancel' : 'Clear';
    dismiss.setAttribute('aria-label', `${t.busy ? 'Cancel' : 'Clear'} ${t.name}`);
    row.querySelector('.receipts').replaceChildren(...(t.receipts ?? []).map((r) => {
      const match = r.ok && (!t.sha256 || r.sha256 === t.sha256);
      return el('li', { dataset: { nick: r.nick, ok: match, sha256: r.sha256 ?? '' } },
        el('b', { dir: 'auto' }, r.nick), match ? ': received, SHA-256 matches' : `: not received. ${r.note || 'The SHA-256 differs.'}`);
    }));
    if (!t.blob) forgetBlob(row);
    else if (!row.querySelector('.save')) this.#save(row, t);
  }

  /** Saves the file, and leaves a link to do it again. */
  #save(row, t) {
    const link = el('a', { class: 'save', href: URL.createObjectURL(t.blob), download: t.name }, 'Save again');
    row.append(link);
    link.click();
  }
}

/** Lets go of a file that was kept for saving again. */
function forgetBlob(row) {
  const link = row.querySelector('.save');
  if (link) URL.revokeObjectURL(link.href);
  link?.remove();
}

function status(t) {
  const of = `${formatSize(t.bytes)} of ${formatSize(t.size)}`;
  switch (t.state) {
    case 'waiting': return t.direction === 'send' ? 'Starting' : 'Waiting for the sender';
    case 'active': return [of, t.rate ? `${formatSize(Math.round(t.rate))}/s` : '',
      t.rate ? `${formatSeconds((t.size - t.bytes) / t.rate)} left` : ''].filter(Boolean).join(' \u00b7 ');
    case 'done': return t.direction === 'send' ? `Sent ${formatSize(t.size)}` : `Received ${formatSize(t.size)}, SHA-256 matches the sender's`;
    default: return t.note;
  }
}

export function showState(state, { code, text, seconds }) {
  document.body.dataset.state = state;
  $('status-text').textContent = { connecting: 'Connecting', open: 'Connected', shaky: 'Unstable', waiting: 'Not connected', ended: 'Not connected' }[state];
  const banner = $('banner');
  if (!text) {
    // A second attempt leaves the reason of the first in sight.
    if (state === 'open') banner.hidden = true;
    else if (!banner.hidden) $('banner-action').hidden = true;
    return;
  }
  banner.hidden = false;
  banner.dataset.code = code;
  $('banner-text').replaceChildren(text, ...(seconds ? [' ', el('span', { 'aria-hidden': 'true' }, `Trying again in ${seconds} s.`)] : []));
  const action = $('banner-action');
  action.hidden = state === 'shaky' || code === 'webrtc';
  action.textContent = { replaced: 'Join from here', left: 'Join again' }[code] ?? 'Try now';
}

export function showStats({ rtt, lost, iceRTT, sent, received, buffered, path, up }) {
  const put = (id, value, text) => {
    const dd = $(id);
    dd.textContent = value === null || value === undefined ? '\u2013' : text(value);
    if (value === null || value === undefined) delete dd.dataset.value;
    else dd.dataset.value = value;
  };
  const ms = (v) => `${v < 10 ? v.toFixed(1) : Math.round(v)} ms`;
  put('stat-rtt', rtt, ms);
  put('stat-loss', lost, (v) => `${Math.round(v * 100)} %`);
  put('stat-ice-rtt', iceRTT, ms);
  put('stat-sent', sent, formatSize);
  put('stat-received', received, formatSize);
  put('stat-buffered', buffered, formatSize);
  put('stat-path', path, String);
  put('stat-up', up, formatSeconds);
}
