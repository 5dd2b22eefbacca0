'use strict';
// The page's end of Page.Eval: fetch calls from the site by long poll, run
// each, post what it returned or threw. See page.go for the other end.
(() => {
  // A tab is named by whoever opens it, and the name survives reloads; the
  // first page of a browser has no opener and is named by its address.
  const page = window.name || new URLSearchParams(location.search).get('page');
  if (!page || window !== window.top || window.sluiceAgent) return;
  window.sluiceAgent = true;

  const load = Math.random().toString(36).slice(2);
  const url = what => `/.lab/${what}?page=${encodeURIComponent(page)}&load=${load}`;
  const pause = ms => new Promise(done => setTimeout(done, ms));

  // post gives up only when the site says no or is not there any more.
  const post = async (what, body) => {
    for (let attempt = 0; attempt < 5; attempt++) {
      try {
        await fetch(url(what), {method: 'POST', body: JSON.stringify(body)});
        return;
      } catch (e) { await pause(50); }
    }
  };

  const complain = text => post('complaint', text);
  addEventListener('error', e => complain(`uncaught: ${e.message} at ${e.filename}:${e.lineno}`));
  addEventListener('unhandledrejection', e => complain(`unhandled rejection: ${describe(e.reason)}`));
  for (const level of ['error', 'warn']) {
    const print = console[level].bind(console);
    console[level] = (...args) => { complain(`console.${level}: ${args.map(describe).join(' ')}`); print(...args); };
  }
  const describe = v => {
    if (v instanceof Error) return `${v.name}: ${v.message}\n${v.stack}`;
    return typeof v === 'string' ? v : String(v);
  };

  const AsyncFunction = (async () => {}).constructor;
  const run = async call => {
    const reply = {n: call.n};
    try {
      const value = await new AsyncFunction('args', call.js)(call.args);
      reply.value = value === undefined ? null : value;
    } catch (e) {
      reply.error = describe(e) || 'unknown error';
    }
    await post('reply', reply);
  };

  const poll = async () => {
    for (let seen = 0, failures = 0; failures < 100;) {
      let calls;
      try {
        const response = await fetch(`${url('poll')}&seen=${seen}`, {cache: 'no-store'});
        if (response.status === 410) return;     // another load has taken over
        calls = await response.json();
      } catch (e) {
        failures++;
        await pause(100);
        continue;
      }
      failures = 0;
      for (const call of calls) {
        seen = call.n;
        run(call);
      }
    }
  };

  if (document.readyState === 'loading') addEventListener('DOMContentLoaded', poll);
  else poll();
})();
