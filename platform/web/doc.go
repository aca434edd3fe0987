// Package web serves the HTTP API. It is the one place that knows how Fiber is
// set up and how Huma runs on it: a module declares operations on the Router it
// is handed, with Register, and everything that is the same for all of them
// happens here, in this order: request id, trace, limits, authentication,
// access, and only then the body.
//
//	web.Register(r, web.Operation{
//		ID: "get-product", Method: http.MethodGet, Path: "/products/{id}",
//		Summary: "A product", Errors: []*errs.Error{catalog.ErrProductNotFound},
//	}, func(ctx context.Context, in *getProduct) (*product, error) { … })
//
// The types of input and output are Huma's: fields tagged path, query or
// header, and Body. They are the validation, the OpenAPI document and its page.
// A handler fails with errs values, which become problem documents (RFC 9457);
// any other error is "internal" outside and whole in the log, once.
//
// The app, module wirings and `internal/rest` packages import it. It never
// knows a module, and it holds no rule of the shop.
package web
