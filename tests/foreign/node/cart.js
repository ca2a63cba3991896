// A pod of the cart service in Node, without a word about tracing: OpenTelemetry's stock instrumentation is loaded in
// front of it (`node --require @opentelemetry/auto-instrumentations-node/register cart.js`).
//
// It puts the event into the cart's outbox, together with the cart's line; a pod of another kind publishes it.
const http = require('node:http')
const { randomUUID } = require('node:crypto')
const Redis = require('ioredis')

const redis = new Redis(process.env.REDIS_URL)
const item = (product) => product.replace('PROD-', 'ITEM-')

// The lab's own pods check the signature; this one is behind them in nothing but time.
const customer = (request) =>
  JSON.parse(Buffer.from((request.headers.authorization ?? '').split('.')[1] ?? '', 'base64url')).sub

// By node:http: fetch() refuses some ports, 10080 among them (WHATWG Fetch, "port blocking"), and a lab may listen there.
const agent = new http.Agent({ keepAlive: true })
const post = (path, body) => new Promise((resolve, reject) => {
  const headers = { 'content-type': 'application/json' }
  const request = http.request(process.env.INVENTORY_URL + path, { agent, method: 'POST', headers }, (response) => {
    let text = ''
    response.on('data', (chunk) => { text += chunk }).on('error', reject)
    response.on('end', () => resolve({ status: response.statusCode, text }))
  })
  request.on('error', reject).end(JSON.stringify(body))
})

async function addItem(who, { productId, quantity }) {
  const reservationId = randomUUID()
  const reserved = await post(`/stock/${productId}/reservations`, { reservationId, quantity })
  if (reserved.status >= 300) return [reserved.status, JSON.parse(reserved.text)]
  const made = { cartId: `CART-${who}`, itemId: item(productId), productId }
  const event = { type: 'item-added', eventId: randomUUID(), ...made, quantity, at: Date.now() }
  await redis.multi()
    .set(`reservation:${reservationId}`, 'kept')
    .hincrby(`cart:${who}`, productId, quantity)
    .hset('outboxes', who, '1')
    .xadd(`outbox:${who}`, '*', 'event', JSON.stringify(event), 'traceparent', '')
    .exec()
  return [201, made, { location: `/cart/items/${made.itemId}` }]
}

async function cart(who) {
  const lines = Object.entries(await redis.hgetall(`cart:${who}`))
  const items = lines.map(([productId, n]) => ({ itemId: item(productId), productId, quantity: Number(n) }))
  return [200, { cartId: `CART-${who}`, items }]
}

const server = http.createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  let [status, said, headers] = [404, { title: 'no such resource', status: 404 }, {}]
  try {
    const who = customer(request)
    if (request.method === 'POST' && request.url === '/cart/items') [status, said, headers] = await addItem(who, JSON.parse(body))
    if (request.method === 'GET' && request.url === '/cart') [status, said, headers] = await cart(who)
  } catch (error) {
    [status, said] = [error instanceof SyntaxError ? 401 : 502, { title: error.message }]
  }
  const kind = status < 400 ? 'application/json' : 'application/problem+json'
  response.writeHead(status, { ...headers, 'content-type': kind }).end(JSON.stringify(said))
})
const [host, port] = process.env.LISTEN.split(':')
server.listen(Number(port), host)
process.on('SIGTERM', () => server.close(() => process.exit(0)))
