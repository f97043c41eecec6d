"use strict";
// A link to the situation: copied, and said what became of it.

/** Where a link leads: to the page as it lies there, or, in another page's frame, nowhere but behind the file's own address. */
function linkTo(text, { protocol, href }) {
  const behind = `#${text}`, [place] = href.split("#");
  if (protocol === "file:") {
    return { link: place + behind, note: "It leads to the file on this computer; elsewhere, put what begins with # behind the address that the page has there." };
  }
  if (["blob:", "about:", "data:"].includes(protocol)) {
    return { link: behind, note: "As the page is shown in another one’s frame here, that is the part that begins with #: put it behind the address of explanation.html." };
  }
  return { link: place + behind, note: "It opens the page just as it is now." };
}

async function copyLink() {
  const { link, note } = linkTo(stateAsText(state, page), location);
  if (await copied(link)) return notice(`Link copied. ${note}`);
  notice("The browser doesn’t let a page copy here. Take the link yourself:");
  const box = element("input", { readonly: true, "aria-label": "the link", title: note, value: link });
  $("notice").append(" ", box);
  box.focus();
  return box.select();
}

/** Put a text where one pastes from; without leave for that, as a selection, which is the older way. */
async function copied(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const had = document.activeElement, box = element("textarea", { readonly: true, class: "aside" });
    box.value = text;
    document.body.append(box);
    box.select();
    const done = document.execCommand("copy");
    box.remove();
    had?.focus();
    return done;
  }
}

/** Say what happened, to those who see and to those who listen; `html` is "" where there is nothing to say any more. */
function notice(html) {
  say($("notice"), html);
}
