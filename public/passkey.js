// Passkeys: the browser makes them on the page of one's own sign-in, and signs in with them. What it says is judged by the panel.
const bytes = (text) => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), (letter) => letter.charCodeAt(0));
const text = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
const plain = (words) => new TextEncoder().encode(words);

async function send(method, path, body) {
  const headers = body ? { 'content-type': 'application/json' } : {};
  const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(30_000) });
  return { ok: answer.ok, said: await answer.json() };
}

function say(form, field, message) {
  const place = form.querySelector(`[data-error="${CSS.escape(field ?? '')}"]`) ?? form.querySelector('[data-error=""]');
  place.textContent = message;
  place.hidden = false;
  const input = form.elements.namedItem(place.dataset.error);
  input?.setAttribute('aria-invalid', 'true');
  input?.focus();
}

function calm(form) {
  for (const place of form.querySelectorAll('[data-error]')) place.hidden = true;
  for (const input of form.querySelectorAll('[aria-invalid]')) input.removeAttribute('aria-invalid');
}

/** Makes a passkey for whoever knows the password. */
async function make(form) {
  const refuse = ({ error: { field, message } }) => say(form, field, field ? message.replace(`${field}: `, '') : message);
  const asked = await send('POST', '/api/v1/me/passkeys/challenge', { password: form.elements.password.value });
  if (!asked.ok) return refuse(asked.said);
  const { challenge, rp, user, algorithms, known } = asked.said;
  const { response } = await navigator.credentials.create({ publicKey: {
    challenge: plain(challenge),
    rp,
    user: { ...user, id: plain(user.id) },
    pubKeyCredParams: algorithms.map((alg) => ({ type: 'public-key', alg })),
    excludeCredentials: known.map((id) => ({ type: 'public-key', id: bytes(id) })),
    authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
  } });
  const added = await send('POST', '/api/v1/me/passkeys', {
    name: form.elements.name.value.trim(),
    client_data: text(response.clientDataJSON),
    authenticator_data: text(response.getAuthenticatorData()),
    public_key: text(response.getPublicKey()),
    algorithm: response.getPublicKeyAlgorithm(),
  });
  if (added.ok) location.assign('/account');
  else refuse(added.said);
}

/** Signs in with whichever passkey the browser's user chooses. */
async function enter(form) {
  const { said: { challenge, site } } = await send('GET', '/login/challenge');
  const { rawId, response } = await navigator.credentials.get({ publicKey: { challenge: plain(challenge), rpId: site, userVerification: 'required' } });
  const fields = {
    passkey: rawId,
    user: response.userHandle ?? new ArrayBuffer(0),
    client_data: response.clientDataJSON,
    authenticator_data: response.authenticatorData,
    signature: response.signature,
  };
  for (const [name, value] of Object.entries(fields)) form.elements.namedItem(name).value = text(value);
  form.submit();
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  if (!window.PublicKeyCredential) {
    form.hidden = true;
    continue;
  }
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    if (form.ariaBusy === 'true') return;
    form.ariaBusy = 'true';
    calm(form);
    try {
      await (form.dataset.passkey === 'make' ? make(form) : enter(form));
    } catch (error) {
      // Whoever closes the browser's own dialog has said enough.
      if (error.name === 'InvalidStateError') say(form, '', form.dataset.known);
      else if (error.name !== 'NotAllowedError') say(form, '', form.dataset.failed);
    }
    form.ariaBusy = 'false';
  });
}
