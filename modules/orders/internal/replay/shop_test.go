package replay

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"

	"stoa/modules/orders"
	"stoa/platform/clock"
)

const adminEmail, adminPassword = "admin@example.com", "an admin's password"

// fakeShop is as much of the shop's API as a replay needs, in memory. It keeps
// keys as the shop does, sends money and stock of cancelled orders back only
// later, and breaks down as it is told.
type fakeShop struct {
	*httptest.Server
	t     *testing.T
	clock clock.Clock

	mu       sync.Mutex
	requests int
	accounts map[string]*fakeAccount // by e-mail
	sessions map[string]string       // access and refresh tokens: e-mail
	spent    map[string]bool         // access tokens that have run out
	products map[string]*product     // by slug
	stock    map[string]*fakeStock   // by SKU
	carts    map[string]*fakeCart
	orders   []*fakeOrder
	keys     map[string]fakeAnswer // by caller and key
	later    []func()              // what follows of events
	writes   map[string]int        // how often each was carried out
	working  map[string]int        // requests of each account that run
	crowd    int                   // the most requests of one account at once
	guests   int                   // sign-ins and registrations that run
	mostly   int                   // the most of these at once

	// trouble decides, for the number of a request, what goes wrong with it.
	trouble func(n int, r *http.Request) trouble
	// blind has staff see no orders, as in the moment before one is there.
	blind bool
	// reject gives why an order is rejected; empty: it is not.
	reject func(mark string) string
}

type trouble int

const (
	fine      trouble = iota
	busy              // 429
	failing           // 503, nothing is done
	cut               // the connection goes, nothing is done
	lost              // it is done, and the connection goes
	expired           // the access token has run out
	strangled         // 503 after it is done
)

type (
	fakeAccount struct{ password, id string }
	fakeStock   struct {
		onHand, reserved int64
		movements        []movement
	}
	fakeCart struct {
		owner    string
		items    map[string]int64
		ordered  string
		currency string
	}
	fakeOrder struct {
		orders.Order
		owner   string
		refunds []map[string]any
	}
	fakeAnswer struct {
		fingerprint string
		status      int
		body        []byte
	}
)

func openShop(t *testing.T, c clock.Clock) *fakeShop {
	t.Helper()
	s := &fakeShop{
		t: t, clock: c,
		accounts: map[string]*fakeAccount{adminEmail: {adminPassword, "admin"}}, sessions: map[string]string{}, spent: map[string]bool{},
		products: map[string]*product{}, stock: map[string]*fakeStock{}, carts: map[string]*fakeCart{},
		keys: map[string]fakeAnswer{}, writes: map[string]int{}, working: map[string]int{},
	}
	mux := http.NewServeMux()
	for pattern, handler := range map[string]func(r *fakeRequest){
		"POST /api/v1/sessions":                      s.signIn,
		"POST /api/v1/sessions/refresh":              s.refresh,
		"POST /api/v1/users":                         s.register,
		"POST /api/v1/products":                      s.createProduct,
		"GET /api/v1/products/{id}":                  s.getProduct,
		"PATCH /api/v1/products/{id}":                s.patchProduct,
		"POST /api/v1/products/{id}/variants":        s.addVariant,
		"PATCH /api/v1/products/{id}/variants/{sku}": s.patchVariant,
		"GET /api/v1/inventory/{sku}":                s.getStock,
		"GET /api/v1/inventory/{sku}/movements":      s.getMovements,
		"POST /api/v1/inventory/{sku}/adjustments":   s.adjust,
		"POST /api/v1/carts":                         s.createCart,
		"PUT /api/v1/carts/{id}/items/{sku}":         s.putItem,
		"POST /api/v1/orders":                        s.placeOrder,
		"GET /api/v1/orders":                         s.listOrders,
		"GET /api/v1/orders/{id}":                    s.getOrder,
		"POST /api/v1/orders/{id}/cancellation":      s.cancel,
		"POST /api/v1/orders/{id}/refunds":           s.refund,
		"GET /api/v1/payments":                       s.getPayments,
	} {
		mux.HandleFunc(pattern, s.handle(handler))
	}
	s.Server = httptest.NewServer(mux)
	t.Cleanup(s.Close)
	return s
}

// fakeRequest is a request on its way.
type fakeRequest struct {
	*http.Request
	caller string // e-mail, empty: nobody
	status int
	answer any
}

func (r *fakeRequest) admin() bool { return r.caller == adminEmail }

func (r *fakeRequest) fail(status int, code string) {
	r.status, r.answer = status, map[string]any{"status": status, "code": code, "detail": "says the fake"}
}

func (r *fakeRequest) reply(status int, body any) { r.status, r.answer = status, body }

func (r *fakeRequest) read(into any) {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		panic(err)
	}
}

func (s *fakeShop) handle(handler func(r *fakeRequest)) http.HandlerFunc {
	return func(w http.ResponseWriter, request *http.Request) {
		body, err := io.ReadAll(request.Body)
		if err != nil {
			return // the client has gone
		}
		request.Body = io.NopCloser(bytes.NewReader(body))
		defer s.enter(request)()
		a, wrong, replayed := s.decide(request, body, handler)
		if wrong == cut || wrong == lost {
			panic(http.ErrAbortHandler)
		}
		if wrong == strangled {
			a.status = http.StatusBadGateway
		}
		if wrong == busy {
			w.Header().Set("Retry-After", "7")
		}
		if replayed {
			w.Header().Set("Idempotent-Replayed", "true")
		}
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body) // a client that has gone needs no answer
	}
}

// decide answers a request, or not, as it is told.
func (s *fakeShop) decide(request *http.Request, body []byte, handler func(*fakeRequest)) (a fakeAnswer, wrong trouble, replayed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.trouble != nil {
		wrong = s.trouble(s.requests, request)
	}
	switch wrong {
	case busy:
		return fakeAnswer{status: http.StatusTooManyRequests, body: []byte(`{"code": "rate_limited"}`)}, wrong, false
	case failing:
		return fakeAnswer{status: http.StatusServiceUnavailable, body: []byte(`{"code": "unavailable"}`)}, wrong, false
	case cut:
		return a, wrong, false
	case expired:
		s.spent[bearer(request)] = true
	}
	a, replayed = s.serve(request, body, handler)
	return a, wrong, replayed
}

// enter counts who is at it at the same time; what it gives is called after.
func (s *fakeShop) enter(r *http.Request) func() {
	token := bearer(r)
	password := r.URL.Path == "/api/v1/sessions" || r.URL.Path == "/api/v1/users"
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.sessions[token]
	if who != adminEmail && who != "" {
		s.working[who]++
		s.crowd = max(s.crowd, s.working[who])
	}
	if password {
		s.guests++
		s.mostly = max(s.mostly, s.guests)
	}
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.working[who]--
		if password {
			s.guests--
		}
	}
}

func bearer(r *http.Request) string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// serve answers a request: from what is kept for its key, or by its handler.
func (s *fakeShop) serve(request *http.Request, body []byte, handler func(*fakeRequest)) (fakeAnswer, bool) {
	r := &fakeRequest{Request: request}
	if token := bearer(request); token != "" {
		r.caller = s.sessions[token]
		if r.caller == "" || s.spent[token] {
			r.fail(http.StatusUnauthorized, "unauthenticated")
			return r.encode(""), false
		}
	}
	key := request.Header.Get("Idempotency-Key")
	// As in the shop, products and accounts do not mind keys.
	if key == "" || strings.HasPrefix(request.URL.Path, "/api/v1/products") || request.URL.Path == "/api/v1/users" {
		handler(r)
		return r.encode(""), false
	}
	id, fingerprint := r.caller+"\n"+key, request.Method+request.URL.Path+string(body)
	if kept, known := s.keys[id]; known {
		if kept.fingerprint != fingerprint {
			r.fail(http.StatusUnprocessableEntity, codeKeyReused)
			return r.encode(""), false
		}
		return kept, true
	}
	handler(r)
	a := r.encode(fingerprint)
	if a.status < 500 {
		s.keys[id] = a
	}
	return a, false
}

func (r *fakeRequest) encode(fingerprint string) fakeAnswer {
	text, err := json.Marshal(r.answer)
	if err != nil {
		panic(err)
	}
	return fakeAnswer{fingerprint, r.status, text}
}

// wrote counts what was carried out.
func (s *fakeShop) wrote(what string) { s.writes[what]++ }

func (s *fakeShop) signIn(r *fakeRequest) {
	var in struct{ Email, Password string }
	r.read(&in)
	a := s.accounts[in.Email]
	if a == nil || a.password != in.Password {
		r.fail(http.StatusUnauthorized, "users.invalid_credentials")
		return
	}
	s.tokens(r, in.Email)
}

func (s *fakeShop) tokens(r *fakeRequest, email string) {
	access, refresh := s.clock.ID(), "r"+s.clock.ID()
	s.sessions[access], s.sessions[refresh] = email, email
	r.reply(http.StatusCreated, tokens{access, refresh, 900})
}

func (s *fakeShop) refresh(r *fakeRequest) {
	var in struct {
		Token string `json:"refresh_token"`
	}
	r.read(&in)
	email := s.sessions[in.Token]
	if email == "" {
		r.fail(http.StatusUnauthorized, "users.invalid_token")
		return
	}
	delete(s.sessions, in.Token)
	s.wrote("refresh")
	s.tokens(r, email)
}

func (s *fakeShop) register(r *fakeRequest) {
	var in struct{ Email, Password, Name string }
	r.read(&in)
	switch {
	case !r.admin():
		r.fail(http.StatusTooManyRequests, "users.too_many")
	case s.accounts[in.Email] != nil:
		r.fail(http.StatusConflict, codeEmailTaken)
	default:
		s.wrote("account " + in.Email)
		s.accounts[in.Email] = &fakeAccount{in.Password, s.clock.ID()}
		r.reply(http.StatusCreated, map[string]string{"id": s.accounts[in.Email].id})
	}
}

func (s *fakeShop) createProduct(r *fakeRequest) {
	var in product
	r.read(&in)
	switch {
	case !r.admin():
		r.fail(http.StatusForbidden, "forbidden")
	case s.products[in.Slug] != nil:
		r.fail(http.StatusConflict, "catalog.slug_taken")
	default:
		s.wrote("product " + in.Slug)
		in.ID = s.clock.ID()
		s.products[in.Slug] = &in
		for _, v := range in.Variants {
			s.stock[v.SKU] = &fakeStock{}
		}
		r.reply(http.StatusCreated, in)
	}
}

func (s *fakeShop) product(id string) *product {
	for _, p := range s.products {
		if p.ID == id || p.Slug == id {
			return p
		}
	}
	return nil
}

func (s *fakeShop) getProduct(r *fakeRequest) {
	if p := s.product(r.PathValue("id")); p != nil {
		r.reply(http.StatusOK, *p)
		return
	}
	r.fail(http.StatusNotFound, "catalog.product_not_found")
}

func (s *fakeShop) patchProduct(r *fakeRequest) {
	var in struct{ Status string }
	r.read(&in)
	p := s.product(r.PathValue("id"))
	p.Status = in.Status
	r.reply(http.StatusOK, *p)
}

func (s *fakeShop) addVariant(r *fakeRequest) {
	var in variant
	r.read(&in)
	p := s.product(r.PathValue("id"))
	switch {
	case s.stock[in.SKU] != nil:
		r.fail(http.StatusConflict, "catalog.sku_taken")
	default:
		s.wrote("variant " + in.SKU)
		p.Variants = append(p.Variants, in)
		p.Options[0].Values = append(p.Options[0].Values, in.Options[p.Options[0].Name])
		s.stock[in.SKU] = &fakeStock{}
		r.reply(http.StatusCreated, in)
	}
}

func (s *fakeShop) patchVariant(r *fakeRequest) {
	var in variant
	r.read(&in)
	p := s.product(r.PathValue("id"))
	for i := range p.Variants {
		if p.Variants[i].SKU == r.PathValue("sku") {
			p.Variants[i].Price = in.Price
		}
	}
	r.reply(http.StatusOK, in)
}

func (s *fakeShop) level(r *fakeRequest) *fakeStock {
	l := s.stock[r.PathValue("sku")]
	if l == nil {
		r.fail(http.StatusNotFound, "catalog.variant_not_found")
	}
	return l
}

func (s *fakeShop) getStock(r *fakeRequest) {
	s.follow()
	if l := s.level(r); l != nil {
		r.reply(http.StatusOK, level{l.onHand, l.reserved})
	}
}

func (s *fakeShop) getMovements(r *fakeRequest) {
	if l := s.level(r); l != nil {
		reply(r, l.movements)
	}
}

// reply answers with a page of a list.
func reply[T any](r *fakeRequest, all []T) {
	at, _ := strconv.Atoi(r.URL.Query().Get("cursor")) // none is 0
	limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
	if err != nil {
		panic(err)
	}
	limit = min(limit, 2) // so that there are several pages
	p := page[T]{Items: all[at:min(at+limit, len(all))]}
	if at+limit < len(all) {
		p.NextCursor = strconv.Itoa(at + limit)
	}
	r.reply(http.StatusOK, p)
}

func (l *fakeStock) move(m movement) {
	l.onHand += m.Quantity
	l.movements = append(l.movements, m)
}

func (s *fakeShop) adjust(r *fakeRequest) {
	var in adjustment
	r.read(&in)
	l := s.level(r)
	switch {
	case l == nil:
	case l.onHand-l.reserved+in.Delta < 0:
		r.fail(http.StatusConflict, "catalog.insufficient_stock")
	default:
		s.wrote("adjust " + r.PathValue("sku") + " " + in.Reason)
		l.move(movement{Quantity: in.Delta, Reason: in.Reason})
		r.reply(http.StatusCreated, l.movements[len(l.movements)-1])
	}
}
