// The stream of views: opened, monitored, reopened.

const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 10000;
/** After this time without data the driver is queried; it sends a keep-alive at least every ten seconds. */
const QUIET = 15000;
const REQUEST_TIMEOUT_MS = 5000;
/** A list is not asked for again within this time only because the stream opens. */
const LISTED_MS = 1500;
/** A hidden page closes its connection after this time. */
const HIDDEN = 60000;

/**
 * Calls `tell(views, whole)` with received views, `tellDevices(devices, whole)` likewise, and `state(isLive)` on each change of the
 * connection.
 */
export function live(tell, tellDevices, state) {
  let stream;
  let pause = FIRST_PAUSE;
  let heard = Date.now();
  let retry;
  let hiding;
  let listed = 0;
  let asking = false;

  const list = async () => {
    const all = ['batteries', 'devices'].map(async (what) => {
      const answer = await fetch(`api/v1/${what}`, { cache: 'no-store', signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) });
      if (!answer.ok) throw new Error(`${answer.status}`);
      return (await answer.json())[what];
    });
    const [batteries, devices] = await Promise.all(all);
    heard = listed = Date.now();
    try {
      tellDevices(devices, true);
      tell(batteries, true);
      state(true);
    } catch (error) {
      // A fault of the page is no lost connection.
      reportError(error);
    }
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
      // What came just before is shown first.
      setTimeout(() => stream === opened && list().catch(lost), Date.now() - listed < LISTED_MS ? LISTED_MS : 0);
    };
    for (const name of ['view', 'gone', 'device', 'device_gone', 'alive']) opened.addEventListener(name, ({ data }) => {
      heard = Date.now();
      if (name === 'view') tell([JSON.parse(data)], false);
      if (name === 'device') tellDevices([JSON.parse(data)], false);
      if (name.endsWith('gone')) list().catch(lost);
    });
    opened.onerror = () => stream === opened && lost();
  };
  // A connection may be dead without an error: a tunnel, a suspended phone.
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
  // A page in the browser's back/forward cache must not keep the connection open.
  addEventListener('pagehide', close);
  addEventListener('pageshow', ({ persisted }) => persisted && open());
  setInterval(watch, 1000);
  // Not only once the stream is open: that takes as long again.
  list().catch(() => {});
  open();
}
