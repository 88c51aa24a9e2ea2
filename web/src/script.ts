// Stands for import.meta.url in a script that is no module; read while the script runs, as it is lost then.

const script = document.currentScript;

export const scriptURL = script instanceof HTMLScriptElement && script.src ? script.src : document.baseURI;
