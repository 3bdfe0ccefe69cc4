// The page that opens instead of Fullstory: it says which replay, and at which time.

const url = decodeURIComponent(location.hash.slice(1));
const milliseconds = /(?::|%3A)(\d{13})$/i.exec(url)?.[1];
const at = milliseconds && new Date(Number(milliseconds));
const time = at && at.toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
document.getElementById("moment").textContent = time ? `It would begin at ${time}.` : "It would begin at the start of the session.";
document.getElementById("link").textContent = url;
