// Shows the list anew when the server says that it has changed.
"use strict";
new EventSource("/events").onmessage = async () => {
  const page = new DOMParser().parseFromString(await (await fetch("/")).text(), "text/html");
  document.getElementById("main").replaceWith(document.adoptNode(page.getElementById("main")));
};
