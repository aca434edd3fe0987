// Package service holds the rules of the users module: who may have an
// account, how one signs in and stays signed in, and what administrators may
// change.
//
// The module's wiring and its rest package import it. It never touches tables
// but through store, and knows nothing of HTTP.
package service
