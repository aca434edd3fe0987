// Package auth says who a request comes from. The process of the users module
// issues access tokens with Keys; every process verifies them with a Verifier,
// which follows keys and revocations from a Source and asks nobody while it
// judges a token.
//
// Any package but a module's root may import it. It never knows accounts,
// passwords or refresh tokens, which are the users module's, and never talks
// HTTP.
package auth
