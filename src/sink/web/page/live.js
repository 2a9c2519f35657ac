// The stream of views: opened, watched, opened again.

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 10000;
/** Without any word from the driver for so long, it is asked; it says at least every ten seconds that it lives. */
const QUIET = 15000;
const PATIENCE = 5000;
/** A page that nobody looks at lets go of its connection after this time. */
const HIDDEN = 60000;

/** Calls `tell(views, whole)` with what comes and `state(isLive)` when the connection comes or goes. */
export function live(tell, state) {
  let stream;
  let pause = FIRST_PAUSE;
  let heard = Date.now();
  let retry;
  let hiding;
  let asking = false;

  const list = async () => {
    const answer = await fetch('api/v1/batteries', { cache: 'no-store', signal: AbortSignal.timeout(PATIENCE) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    const { batteries } = await answer.json();
    heard = Date.now();
    tell(batteries, true);
    state(true);
  };
  const close = () => {
    stream?.close();
    stream = undefined;
    clearTimeout(retry);
  };
  const lost = () => {
    close();
    state(false);
    retry = setTimeout(open, pause);
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  };
  const open = () => {
    close();
    heard = Date.now();
    const opened = new EventSource('api/v1/events');
    stream = opened;
    opened.onopen = () => {
      pause = FIRST_PAUSE;
      list().catch(lost);
    };
    for (const name of ['view', 'gone', 'alive']) opened.addEventListener(name, ({ data }) => {
      heard = Date.now();
      if (name === 'view') tell([JSON.parse(data)], false);
      if (name === 'gone') list().catch(lost);
    });
    opened.onerror = () => stream === opened && lost();
  };
  // A connection may be dead without an error: a tunnel, a phone that slept.
  const watch = async () => {
    if (!stream || asking || Date.now() - heard < QUIET) return;
    asking = true;
    await list().catch(lost);
    asking = false;
  };
  document.addEventListener('visibilitychange', () => {
    clearTimeout(hiding);
    if (document.hidden) hiding = setTimeout(close, HIDDEN);
    else if (!stream) open();
    else watch();
  });
  // A page that the browser keeps for its back button must not keep the connection as well.
  addEventListener('pagehide', close);
  addEventListener('pageshow', ({ persisted }) => persisted && open());
  setInterval(watch, 1000);
  open();
}
