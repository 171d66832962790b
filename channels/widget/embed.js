// How the chat gets into a page.

// The script knows its server by its own address, and its options by its data- attributes: data-title, data-accent (a
// CSS colour), data-position="left", data-theme="light" or "dark" (else the visitor's), data-open. A page that imports it
// as a module, which has no address, writes <firstline-chat data-server="https://host/channels/webchat"> itself.
const tag = document.currentScript || document.querySelector('script[src*="/channels/webchat/widget.js"]');
const SERVER = tag ? new URL(".", tag.src).href.replace(/\/$/, "") : "";

function embed() {
  let chat = document.querySelector("firstline-chat");
  if (!chat) {
    chat = document.createElement("firstline-chat");
    Object.assign(chat.dataset, tag ? tag.dataset : {});
  }
  if (!customElements.get("firstline-chat")) customElements.define("firstline-chat", FirstlineChat);
  if (!chat.isConnected) document.body.append(chat);
}

if (document.body) embed();
else addEventListener("DOMContentLoaded", embed);
