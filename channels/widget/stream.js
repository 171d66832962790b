// How a live stream is read with fetch, which, unlike EventSource, sends the token in a header.

/** Server-sent events (WHATWG HTML, 9.2.6) from a response's body. `alive` is called for every piece that comes. */
async function* events(body, alive) {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  let event = { id: "", event: "message", data: [] };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    alive();
    const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
    rest = lines.pop();
    for (const line of lines.map((each) => each.replace(/\r$/, ""))) {
      if (line === "") {
        if (event.data.length) yield { ...event, data: event.data.join("\n") };
        event = { id: "", event: "message", data: [] };
        continue;
      }
      const [, field, content] = /^([^:]*):? ?(.*)$/.exec(line);
      if (field === "data") event.data.push(content);
      else if (field === "id" || field === "event") event[field] = content;
    }
  }
}
