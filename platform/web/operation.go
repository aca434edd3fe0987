package web

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/gofiber/fiber/v2"

	"stoa/platform/auth"
	"stoa/platform/errs"
)

// Base is the path below which every operation lies.
const Base = "/api/v1"

// Access says who may call an operation.
type Access int

// Who may call. Admins may call everything.
const (
	Anyone   Access = iota // whoever; a token that is sent must be good all the same
	SignedIn               // customers
	Staff
	Admin
)

// Operation is one call of the API.
type Operation struct {
	// ID is the operationId: kebab case, unique in the whole shop.
	ID string
	// Method and Path are where it is; Path is below /api/v1 and has its
	// parameters in braces: "/products/{id}". What is served for GET is for HEAD.
	Method, Path string
	// Summary is its name in a few words, Description what else is to be known.
	Summary, Description string
	// Access says who may call it.
	Access Access
	// NoIdentity leaves X-API-Key and Authorization alone: for signing in and
	// renewing, which must work beside a token that has run out.
	NoIdentity bool
	// Status is that of success; zero is 200, or 204 where the output has no body.
	Status int
	// Errors are those of the contract, for the document. What every operation
	// of its kind may answer (400, 401, 403, 422, …) is added.
	Errors []*errs.Error
	// Idempotent makes it honour Idempotency-Key.
	Idempotent bool
	// BodyLimit is the size of the largest body, in bytes; zero is http.body_limit.
	BodyLimit int64
	// Timeout is how long the handler, and reading and writing what is streamed,
	// may take; zero is http.write_timeout. The handler's context has the deadline.
	Timeout time.Duration
	// Limit names its rate limit by address (see ratelimit); empty is the default
	// one.
	Limit string
	// Upload lists the media types of the file it takes, as the raw body or as
	// the part "file" of a form. The handler reads it with OpenUpload.
	Upload []string
	// Download lists the media types that it streams, where the output is a Download.
	Download []string
}

// operation is an Operation that has been registered.
type operation struct {
	Operation
	router   *Router
	document *huma.Operation
	handle   func(huma.Context)

	route   string          // its path, as the document has it
	schema  *huma.Schema    // of the body
	body    map[string]bool // media types of the body; nil where it has none
	limit   int64
	timeout time.Duration
	query   map[string]bool // known parameters, and whether one may be repeated
	metrics operationMetrics

	to        Forwarder // who passes it on, nil where it is served here
	described Described // where it is passed on
}

// Register adds an operation. I and O are what Huma takes for input and output;
// a handler whose output has no body may answer nil.
//
// A mistake in the declaration panics, as it would for every request.
func Register[I, O any](r *Router, op Operation, handler func(ctx context.Context, in *I) (*O, error)) {
	o := r.newOperation(op)
	r.server.names.module = r.module
	output := newOutput(reflect.TypeFor[O]())
	huma.Register(r.server.api, o.describe(), func(ctx context.Context, in *I) (*O, error) {
		request := requestOf(ctx)
		request.ran = true
		out, err := handler(ctx, in)
		if err == nil && (out == nil || output == nil) {
			return out, nil
		}
		if err == nil {
			err = output.write(request, reflect.ValueOf(out).Elem())
		}
		if err != nil {
			request.fail(err)
		}
		request.answered = true
		return nil, nil
	})
}

// Router is where a module registers its operations.
type Router struct {
	server *Server
	module string
	idem   Idempotency
}

func (r *Router) newOperation(op Operation) *operation {
	if op.ID == "" || op.Summary == "" || !strings.HasPrefix(op.Path, "/") || !isKnown([]byte(op.Method)) {
		panic(fmt.Sprintf("web: the operation %s %s has no id, summary, path or method", op.Method, op.Path))
	}
	if op.Idempotent && len(op.Upload) > 0 {
		panic(fmt.Sprintf("web: the operation %s cannot tell two uploads apart before it has read them", op.ID))
	}
	for _, other := range r.server.operations {
		if other.ID == op.ID || other.Method == op.Method && other.Path == op.Path {
			panic(fmt.Sprintf("web: %s (%s %s) has the id or the path of %s", op.ID, op.Method, op.Path, other.ID))
		}
	}
	o := &operation{Operation: op, router: r, route: Base + op.Path, limit: op.BodyLimit, timeout: op.Timeout, query: map[string]bool{}}
	if o.limit == 0 {
		o.limit = int64(r.server.cfg.BodyLimit)
	}
	if o.timeout == 0 {
		o.timeout = r.server.cfg.WriteTimeout
	}
	return o
}

// adapter takes the operations over that Huma has prepared.
type adapter struct{ server *Server }

// operationKey is where a huma.Operation keeps the operation it describes.
const operationKey = "operation"

// Handle is called once for every operation, by huma.Register.
func (a adapter) Handle(document *huma.Operation, handle func(huma.Context)) {
	o := document.Metadata[operationKey].(*operation)
	o.document, o.handle = document, handle
	o.prepare()
	a.server.operations = append(a.server.operations, o)
}

// ServeHTTP is for Huma's own test client, which nobody uses here.
func (a adapter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.WriteHeader(http.StatusNotImplemented)
}

// prepare works out what would be the same for every request.
func (o *operation) prepare() {
	for _, p := range o.document.Parameters {
		if p.In == "query" {
			o.query[p.Name] = p.Explode != nil && *p.Explode
		}
	}
	if b := o.document.RequestBody; b != nil {
		o.body = map[string]bool{}
		for kind, media := range b.Content {
			o.body[kind] = true
			if kind == jsonType {
				o.schema = media.Schema
			}
		}
	}
	o.complete()
}

// serve runs the operation for a request, in the order of judgement.
func (o *operation) serve(c *fiber.Ctx) error {
	r := routed(c)
	r.fiber, r.op = c, o
	r.begin()
	if err := o.admit(r); err != nil {
		r.fail(err)
	} else {
		o.run(r)
	}
	if !r.detached {
		r.deadline.end()
	}
	return nil
}

// routed gives the request that Fiber has found a route for.
func routed(c *fiber.Ctx) *request { return c.Context().UserValue(userValueKey{}).(*request) }

// admit judges everything about a request but what its handler does.
func (o *operation) admit(r *request) error {
	if err := r.limitRate(); err != nil {
		return err
	}
	if err := r.authenticate(); err != nil {
		return err
	}
	if err := r.authorize(); err != nil {
		return err
	}
	if err := r.judgeQuery(); err != nil {
		return err
	}
	return r.take()
}

// run has the handler called, once for an idempotency key.
func (o *operation) run(r *request) {
	if o.Idempotent && r.router().idem != nil {
		key, err := r.idempotencyKey()
		switch {
		case err != nil:
			r.fail(err)
			return
		case key != "":
			r.once(key)
			return
		}
	}
	r.answer()
}

// answer calls the handler and puts the answer into its final form.
func (r *request) answer() {
	r.op.handle((*exchange)(r))
	if r.detached {
		return
	}
	r.translate()
	r.tag()
}

func (r *request) router() *Router { return r.op.router }

// begin gives the request its context.
func (r *request) begin() {
	r.startSpan()
	r.deadline = &deadline{parent: r.ctx, at: r.start.Add(r.op.timeout), id: r.id, client: r.client}
	r.deadline.request.Store(r)
	r.ctx = r.deadline
}

// authorize holds the caller against who may call.
func (r *request) authorize() error {
	switch {
	case r.op.Access == Anyone:
		return nil
	case r.identity.UserID == "":
		return ErrUnauthenticated
	case r.op.Access == Staff && !r.identity.Has(auth.RoleStaff), r.op.Access == Admin && !r.identity.Has(auth.RoleAdmin):
		return ErrForbidden
	}
	return nil
}
