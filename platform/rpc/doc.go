// Package rpc carries calls between modules that run in different processes. A
// caller cannot tell: the client of a contract is its Service.
//
// A contract's rpc package declares each of its methods once, and puts the two
// sides beside each other:
//
//	var reserve = rpc.Method[catalog.ReserveRequest, catalog.Reservation]{Module: catalog.Name, Name: "Reserve", Idempotent: true}
//
//	func (c client) Reserve(ctx context.Context, r catalog.ReserveRequest) (catalog.Reservation, error) {
//		return reserve.Call(ctx, c.rpc, r)
//	}
//
//	func Serve(s *rpc.Server, service catalog.Service) {
//		reserve.Handle(s, service.Reserve)
//	}
//
// What crosses the wire: the request and the answer, as JSON; how much time is
// left; the caller's giving up; the trace (W3C Trace Context) and the id of the
// request; and of an errs.Error all that it carries: kind, code, message, fields,
// details and when to try again, so that errors.Is holds for those a contract
// declares, and what is made of them for a client of the API is the same.
//
// What is lost: everything else in a context, so also who is signed in, which
// contracts say in their requests where it matters. The cause of an error, and
// any error that is no errs.Error: it is logged whole where it happened, once,
// and arrives as "internal". Of several joined errors, all but the first
// errs.Error. The Go type of an error's details, which arrive as the JSON that
// they make. Text that is not UTF-8 is refused. Nil and empty lists stay apart.
//
// Two drivers carry calls. http sends them straight to an instance that the
// directory knows, on a private listener; those from one process to an instance
// share a connection, on which no answer waits for another. nats sends them
// through the broker, which hands each to one instance of the module (queue
// group), for networks where only the broker can be reached. They differ in what
// they notice: of a caller that has died, http ends the call, where nats has it go
// on until its time is over; of an instance that has died, http tells at once,
// where over nats its callers wait out their time.
//
// Only methods that are declared idempotent are called again when it is not
// known whether they were carried out; a call that certainly was not begun is
// tried elsewhere in any case.
//
// Who can reach the private listener, or the broker, may call everything: keep
// both on a private network.
//
// Contracts' rpc packages, their wirings and the composition root import it. It
// never decides what a call means.
package rpc
