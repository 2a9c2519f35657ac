// Elements without inline styles, handlers or HTML text, as required by the content security policy.

const build = (make) => (tag, attributes = {}, ...children) => {
  const node = make(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child != null));
  return node;
};

export const html = build((tag) => document.createElement(tag));
export const svg = build((tag) => document.createElementNS('http://www.w3.org/2000/svg', tag));

/** Writes a text only if it has changed, to avoid unnecessary layout. */
export const put = (node, text) => {
  if (node.textContent !== text) node.textContent = text;
};

/** Sets or (for undefined and false) removes an attribute. */
export const set = (node, name, value) => {
  if (value === undefined || value === false) node.removeAttribute(name);
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
};

/** A card with a heading. */
export const card = (name, title, ...children) => {
  const id = `h-${name.split(' ')[0]}`;
  return html('section', { class: `card ${name}`, 'aria-labelledby': id }, html('h2', { id }, title), ...children);
};

/** Replaces children only when `key` has changed. */
export const keyed = (node, key, children) => {
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  node.replaceChildren(...children());
};

/** Settings saved in this browser, if it permits storage. */
export const store = (where) => ({
  get(key) {
    try { return where()?.getItem(key) ?? undefined; } catch { return undefined; }
  },
  set(key, value) {
    try {
      if (value === undefined) where()?.removeItem(key);
      else where()?.setItem(key, value);
    } catch { /* not remembered, then */ }
  },
});
export const remembered = store(() => localStorage);
export const thisSession = store(() => sessionStorage);

/** Once what is there is on the screen. */
export const painted = () => new Promise((resolve) => { requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(resolve))); });

/** The day of a cell, whose code is loaded with the first cell that is chosen. */
export function lazyCellDay() {
  const node = html('div');
  let made;
  let wanted;
  return {
    node,
    async show(...cell) {
      wanted = cell;
      if (cell[0] === undefined && !made) return;
      made ??= painted().then(() => import('./cellday.js')).then(({ cellDay }) => cellDay());
      const day = await made;
      if (!day.node.parentNode) node.append(day.node);
      day.show(...wanted);
    },
  };
}
