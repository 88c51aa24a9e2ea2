import assert from "node:assert/strict";
import { afterEach, mock, test } from "node:test";
import { file, page, shoal, stats, text, torrent, until } from "./page";
import type { KeptTorrent, ShoalFile, Torrent } from "../src/shoal";
import type { ViewHost } from "../apps/share/torrentview";

const { FileList } = await import("../apps/share/files");
const { HomeView } = await import("../apps/share/home");
const { keptList, roomNote } = await import("../apps/share/kept");
const { TorrentView } = await import("../apps/share/torrentview");
const { Preview } = await import("../apps/share/preview");
const { Node } = await import("../apps/share/node");
const { sharedLink } = await import("../apps/share/handlers");
const { saveToFolder } = await import("../apps/share/save");
const { takeOver } = await import("../apps/share/takeover");

const body = page.document.body as unknown as HTMLElement;
afterEach(() => {
  mock.restoreAll();
  body.replaceChildren();
});

const check = (box: HTMLInputElement, on: boolean): void => {
  box.checked = on;
  box.dispatchEvent(new page.Event("change") as unknown as Event);
};

test("the file list chooses what is wanted, one by one and all at once", () => {
  const files = [file(0, "b/10.mp4", 3_000_000), file(1, "b/2.mp4", 1_000_000), file(2, "a.txt", 500)];
  const saved: number[][] = [];
  const list = new FileList(torrent({ files, name: "x" }), {
    open: () => undefined,
    download: () => undefined,
    choose: (chosen, on) => void chosen.select(on),
    together: [{ label: "Download zip", save: (some: ShoalFile[]) => saved.push(some.map(({ index }) => index)) }],
  });
  body.append(list.element);
  const all = list.element.querySelector<HTMLInputElement>("#choose-all")!;
  const boxes = [...list.element.querySelectorAll<HTMLInputElement>(".file input")];
  const button = [...list.element.querySelectorAll("button")].find((one) => text(one) === "Download zip")!;
  assert.deepEqual([...list.element.querySelectorAll(".file-name")].map(text), ["a.txt", "2.mp4", "10.mp4"], "2 comes before 10");
  assert.match(text(list.element.querySelector(".choice")!), /^All · 4 MB/);
  check(boxes[2]!, false);
  assert.match(text(list.element.querySelector(".choice")!), /^2 chosen · 1 MB/);
  assert.deepEqual(files.map(({ chosen }) => chosen), [false, true, true]);
  assert.ok(all.indeterminate && !all.checked);
  button.click();
  assert.deepEqual(saved, [[2, 1]]);
  check(all, false);
  assert.ok(files.every(({ chosen }) => !chosen) && boxes.every(({ checked }) => !checked) && button.disabled);
  check(all, true);
  assert.ok(files.every(({ chosen }) => chosen) && boxes.every(({ checked }) => checked) && !button.disabled);
  const own = new FileList(torrent({ files, own: true }), { open: () => undefined, download: () => undefined, choose: () => undefined, together: [] });
  assert.equal(own.element.querySelector("input[type=checkbox]"), null, "what one shares is not chosen from");
});

test("select-all takes what was searched for", () => {
  const files = Array.from({ length: 14 }, (_, i) => file(i, i < 3 ? `song ${i}.mp3` : `picture ${i}.png`));
  const list = new FileList(torrent({ files }), { open: () => undefined, download: () => undefined, choose: (chosen, on) => void chosen.select(on), together: [] });
  const search = list.element.querySelector<HTMLInputElement>(".search")!;
  search.value = "song";
  search.dispatchEvent(new page.Event("input") as unknown as Event);
  assert.equal(list.element.querySelectorAll(".file").length, 3);
  check(list.element.querySelector<HTMLInputElement>("#choose-all")!, false);
  assert.deepEqual(files.filter(({ chosen }) => !chosen).map(({ index }) => index), [0, 1, 2]);
});

test("names from strangers are text", () => {
  const name = '<img src=x onerror="alert(1)">.txt';
  const list = new FileList(torrent({ files: [file(0, name), file(1, "<script>alert(2)</script>/b")], name }), { open: () => undefined, download: () => undefined, choose: () => undefined, together: [] });
  assert.equal(list.element.querySelector("img, script"), null);
  assert.ok(text(list.element).includes("onerror"));
  const home = new HomeView({ open: () => undefined, openTorrent: () => undefined, seed: () => undefined, toast: () => undefined });
  home.list([{ id: "cd".repeat(20), name, length: 5 }], null);
  assert.equal(home.element.querySelector("img, script"), null);
  assert.ok(text(home.element).includes(name));
});

test("what is kept is listed with what there is of it, and can be removed", async () => {
  const kept: KeptTorrent[] = [
    { id: "aa".repeat(20), name: "old\u202efilm", length: 100, stored: 40, used: 1, open: false },
    { id: "bb".repeat(20), name: "new", length: 2_000_000, stored: 2_000_000, used: 2, open: false },
    { id: "cc".repeat(20), name: "open", length: 5, stored: 5, used: 3, open: true },
  ];
  const forgotten: string[] = [];
  const client = shoal({ kept: () => Promise.resolve(kept), forget: (id) => (forgotten.push(id), id.startsWith("aa") ? Promise.reject(new Error("It is in use.")) : Promise.resolve()) });
  const list = (await keptList(client))!;
  body.append(list);
  assert.deepEqual([...list.querySelectorAll(".entry")].map(text), ["new2 MB · complete", "old\ufffdfilm40 B of 100 B"]);
  assert.deepEqual([...list.querySelectorAll("a")].map((link) => link.getAttribute("href")), ["#" + "bb".repeat(20), "#" + "aa".repeat(20)]);
  const [second, first] = [...list.querySelectorAll("button")];
  first!.click();
  await until(() => text(list).includes("It is in use."));
  second!.click();
  await until(() => list.querySelectorAll("li").length === 1);
  assert.deepEqual(forgotten.map((id) => id.slice(0, 2)), ["aa", "bb"]);
  assert.equal(await keptList(shoal()), null);
});

test("want of room is said, with a way out", () => {
  const one = torrent({ storage: { kind: "opfs", full: true, message: "There is no space left." } } as Partial<Torrent>);
  const note = roomNote(one);
  assert.ok(!note.element.hidden && text(note.element).includes("no space left"));
  Object.assign(one, { storage: { kind: "opfs", full: false, message: "" } });
  (one as unknown as { emit(type: string, value: unknown): void }).emit("storage", one.storage);
  assert.ok(note.element.hidden);
});

test("the start page says what is wrong with a link where it was pasted", () => {
  const opened: string[] = [];
  const home = new HomeView({
    open: (link) => {
      if (link === "bad") throw new Error("This is not a link.");
      opened.push(link);
    },
    openTorrent: () => undefined,
    seed: () => undefined,
    toast: () => undefined,
  });
  body.append(home.element);
  const field = home.element.querySelector<HTMLInputElement>("#link-input")!;
  const submit = (value: string): void => {
    field.value = value;
    home.element.querySelector("form")!.dispatchEvent(new page.Event("submit", { cancelable: true }) as unknown as Event);
  };
  submit("bad");
  assert.equal(text(home.element.querySelector("[role=alert]")!), "This is not a link.");
  assert.ok(field.hasAttribute("aria-invalid"));
  submit("magnet:?x");
  assert.deepEqual(opened, ["magnet:?x"]);
  assert.equal(text(home.element.querySelector("[role=alert]")!), "");
  home.destroy();
});

function host(change: Partial<ViewHost> = {}): ViewHost & { toasts: string[]; said: string[] } {
  const toasts: string[] = [];
  const said: string[] = [];
  return {
    node: new Node(), shoal: shoal(), viewer: null, link: () => Promise.resolve({ link: "https://shoal.example/#x", local: false }),
    toast: (words) => toasts.push(words), announce: (words) => said.push(words), leave: () => undefined, toasts, said, ...change,
  } as ViewHost & { toasts: string[]; said: string[] };
}

test("a torrent's page shows its name as text, its state, its errors, and goes when it is removed", async () => {
  let left = false;
  const one = torrent({ files: [file(0, "a.bin"), file(1, "b.bin")], name: "<b>bold</b>", stats: stats({ progress: 0.5, peers: 2 }) });
  const view = new TorrentView(one, host({ leave: () => (left = true) }));
  body.append(view.element);
  await until(() => view.element.querySelectorAll(".file").length === 2);
  assert.equal(text(view.element.querySelector("h1")!), "<b>bold</b>");
  assert.equal(view.element.querySelector("h1 b"), null);
  assert.match(page.document.title, /^50% · <b>bold<\/b>/);
  (one as unknown as { emit(type: string, value: unknown): void }).emit("error", new Error("The disk is gone."));
  assert.equal(text(view.element.querySelector(".alert")!), "The disk is gone.");
  [...view.element.querySelectorAll("button")].find((button) => text(button) === "Remove")!.click();
  await until(() => left && one.removed);
  view.destroy();
});

test("an archive of what is chosen is asked of the service worker, or it is said why not", async () => {
  Object.defineProperty(page.navigator, "serviceWorker", { configurable: true, value: {} });
  Object.defineProperty(page.navigator, "userAgent", { configurable: true, value: "Mozilla/5.0 Chrome/156 Safari/537" });
  const one = torrent({ files: [file(0, "a.bin"), file(1, "b.bin")], name: "x" });
  for (const works of [true, false]) {
    const hosting = host({ shoal: shoal({ streaming: Promise.resolve(works) }) });
    const view = new TorrentView(one, hosting);
    body.replaceChildren(view.element);
    await until(() => view.element.querySelector(".choice"));
    [...view.element.querySelectorAll("button")].find((button) => text(button) === "Download zip")!.click();
    await until(() => hosting.toasts.length > 0);
    const frame = body.querySelector("iframe");
    assert.equal(frame?.getAttribute("src"), works ? "zip:0,1" : undefined);
    assert.match(hosting.toasts[0]!, works ? /^Saving 2 files as one archive/ : /one by one/);
    view.destroy();
  }
});

test("without a service worker a film is read as a whole, and that is said at once", async () => {
  const film = file(0, "film.mp4", 2000);
  let give: (blob: Blob) => void = () => undefined;
  Object.assign(film, {
    blob: (progress: (bytes: number) => void) => {
      progress(500);
      return new Promise<Blob>((resolve) => (give = resolve));
    },
  });
  const view = new TorrentView(torrent({ files: [film], name: "film.mp4" }), host({ shoal: shoal({ streaming: Promise.resolve(false) }) }));
  body.append(view.element);
  await until(() => text(view.element).includes("cannot stream here, so the whole file comes first: 500 B of 2 kB"));
  give(new Blob(["x"]));
  await until(() => view.element.querySelector("video")?.getAttribute("src")?.startsWith("blob:"));
  view.destroy();
});

test("a service worker that is slow is said to be", async () => {
  let start: (works: boolean) => void = () => undefined;
  const film = file(0, "film.mp4", 2000);
  const view = new TorrentView(torrent({ files: [film], name: "film.mp4" }), host({ shoal: shoal({ streaming: new Promise((resolve) => (start = resolve)) }) }));
  body.append(view.element);
  await until(() => view.element.querySelector("video"));
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await until(() => text(view.element).includes("has not started the service worker"));
  Object.assign(film, { streamURL: "https://shoal.example/shoal-stream/x" });
  start(true);
  await until(() => view.element.querySelector("video")!.getAttribute("src") === film.streamURL);
  view.destroy();
});

test("while the engine is on its way a film plays from the node, and from the swarm after that", async () => {
  const id = "ab".repeat(20);
  const content = { name: "Films", files: [{ index: 0, path: "small.mp4", length: 5 }, { index: 1, path: "dir/a film.mp4", length: 50 }, { index: 2, path: "x.txt", length: 500 }] };
  mock.method(globalThis, "fetch", () => Promise.resolve(new Response(JSON.stringify(content))));
  const node = new Node();
  let shown: HTMLElement | null = null;
  const preview = new Preview(node, id, () => undefined, (element) => {
    shown = element;
    body.append(element);
  });
  await until(() => shown?.querySelector("video"));
  mock.restoreAll();
  const playing = body.querySelector("video")!;
  await until(() => playing.getAttribute("src") === `https://shoal.example/stream/${id}/dir/a%20film.mp4`);
  assert.equal(text(body.querySelector("h1")!), "Films");

  const files = content.files.map(({ index, path, length }) => file(index, path, length));
  Object.assign(files[1]!, { streamURL: "https://shoal.example/shoal-stream/x" });
  const view = new TorrentView(torrent({ id, files, name: "Films" }), host({ node, viewer: preview.end() }));
  body.replaceChildren(view.element);
  assert.ok(view.element.contains(playing), "the picture stays where it is");
  await until(() => view.element.querySelectorAll("video").length === 2);
  const next = view.element.querySelector<HTMLVideoElement>("video.following")!;
  assert.equal(next.getAttribute("src"), "https://shoal.example/shoal-stream/x");
  for (const one of [playing, next]) Object.defineProperty(one, "readyState", { configurable: true, value: 4 });
  await until(() => !view.element.contains(playing));
  assert.ok(view.element.contains(next) && !next.classList.contains("following"));
  assert.equal(playing.getAttribute("src"), null, "the node is left alone");
  view.destroy();
});

test("an engine that is quick enough has no preview", async () => {
  let shown = false;
  const preview = new Preview(new Node(), "ab".repeat(20), () => undefined, () => (shown = true));
  assert.equal(preview.end(), null);
  await new Promise((resolve) => setTimeout(resolve, 700));
  assert.ok(!shown);
});

test("a film is taken over where it is, not where it was", () => {
  let look: (() => void) | null = null;
  mock.method(globalThis, "setInterval", (each: () => void) => (look = each));
  mock.method(globalThis, "clearInterval", () => (look = null));
  const tick = (): void => look?.();
  const film = (change: object): Parameters<typeof takeOver>[0] => ({ currentTime: 0, duration: 100, paused: false, ended: false, seeking: false, readyState: 4, error: null, muted: true, volume: 0.3, playbackRate: 1, ...change });
  const before = film({ currentTime: 10 });
  const media = film({ paused: true, muted: false, volume: 1 });
  let held = true;
  let swaps = 0;
  takeOver(before, media, () => held, () => swaps++);
  tick(), tick(), tick();
  assert.equal(media.currentTime, 0, "not in the midst of a full screen");
  held = false;
  tick(), tick(), tick();
  assert.equal(media.currentTime, 11);
  before.currentTime = 10.5;
  tick(), tick(), tick();
  assert.equal(swaps, 0, "it waits until the film is there");
  before.currentTime = 40; // somebody jumped
  tick(), tick(), tick();
  assert.equal(media.currentTime, 41);
  before.currentTime = 40.97;
  tick(), tick(), tick();
  assert.equal(swaps, 1);
  assert.deepEqual([media.muted, media.volume], [true, 0.3]);
  tick(), tick(), tick();
  assert.equal(swaps, 1);

  const paused = film({ currentTime: 7, paused: true });
  const other = film({ paused: true });
  takeOver(paused, other, () => false, () => swaps++);
  tick(), tick(), tick();
  assert.equal(other.currentTime, 7, "one that is paused is taken over at its picture");
  assert.equal(swaps, 2);

  const broken = film({ error: { code: 2 } });
  takeOver(film({}), broken, () => false, () => swaps++);
  tick(), tick(), tick();
  assert.equal(swaps, 2, "what cannot be played takes nothing over");
});

test("what other programs share is a link, wherever they put it", () => {
  const magnet = "magnet:?xt=urn:btih:" + "ab".repeat(20);
  assert.equal(sharedLink("?title=A+film&text=" + encodeURIComponent("Look: " + magnet + "\nbye")), magnet);
  assert.equal(sharedLink("?url=https%3A%2F%2Fa.example%2F%23" + "ab".repeat(20)), "https://a.example/#" + "ab".repeat(20));
  assert.equal(sharedLink("?text=" + "ab".repeat(20)), "ab".repeat(20));
  assert.equal(sharedLink("?text=javascript:alert(1)&v=2"), "");
  assert.equal(sharedLink(""), "");
});

class Folder {
  readonly entries = new Map<string, Folder | string>();
  getDirectoryHandle(name: string): Promise<Folder> {
    if (!this.entries.has(name)) this.entries.set(name, new Folder());
    return Promise.resolve(this.entries.get(name) as Folder);
  }
  getFileHandle(name: string): Promise<{ createWritable(): Promise<WritableStream> }> {
    let content = "";
    const sink = { write: (chunk: Uint8Array) => void (content += new TextDecoder().decode(chunk)), close: () => void this.entries.set(name, content) };
    return Promise.resolve({ createWritable: () => Promise.resolve(new WritableStream(sink)) });
  }
  flat(): unknown {
    return Object.fromEntries([...this.entries].map(([name, entry]) => [name, entry instanceof Folder ? entry.flat() : entry]));
  }
}

test("files are written into a folder, under names that stay in it", async () => {
  const folder = new Folder();
  const told: number[] = [];
  const files = [file(0, "a/one.txt", 3), file(1, "../../two", 2), file(2, "a/one.txt", 1)];
  await saveToFolder(folder as unknown as FileSystemDirectoryHandle, { name: "T" }, files, (_, bytes) => told.push(bytes));
  assert.deepEqual(folder.flat(), { T: { a: { "one.txt": "xxx", "one (2).txt": "x" }, _: { _: { two: "xx" } } } });
  assert.equal(told.at(-1), 6);
});
