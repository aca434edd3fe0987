package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// table finds the operation that a path and a method lead to, whichever process
// serves it, by Fiber's rules: a word comes before a parameter in the same
// place, a parameter is never empty, and a slash at the end means another path.
type table struct {
	root      tableNode
	documents []json.RawMessage // of the modules that run elsewhere
	modules   map[string]bool   // those that run elsewhere
}

// tableNode is what follows a part of a path up to a slash.
type tableNode struct {
	words     map[string]*tableNode
	parameter *tableNode
	methods   [len(methods)]*operation
}

// methods are those of operations, in the order in which Fiber lists them.
var methods = [...]string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch}

// methodOf gives the place of a method among methods, -1 where it has none.
func methodOf(method []byte) int {
	for i, m := range methods {
		if string(method) == m {
			return i
		}
	}
	return -1
}

// add has an operation found at its route.
func (t *table) add(o *operation) error {
	n := &t.root
	for part := range strings.SplitSeq(strings.TrimPrefix(o.route, "/"), "/") {
		switch open, end := strings.IndexByte(part, '{'), strings.IndexByte(part, '}'); {
		case open < 0 && end < 0:
			if n.words == nil {
				n.words = map[string]*tableNode{}
			}
			if n.words[part] == nil {
				n.words[part] = &tableNode{}
			}
			n = n.words[part]
		case open == 0 && end == len(part)-1:
			if n.parameter == nil {
				n.parameter = &tableNode{}
			}
			n = n.parameter
		default:
			return fmt.Errorf("%s %s: a parameter must be all there is between two slashes", o.Method, o.route)
		}
	}
	m := methodOf([]byte(o.Method))
	if m < 0 {
		return fmt.Errorf("%s %s: no operation has such a method", o.Method, o.route)
	}
	if other := n.methods[m]; other != nil {
		return fmt.Errorf("%s %s belongs to %s already, not to %s", o.Method, o.route, other.router.module, o.router.module)
	}
	n.methods[m] = o
	if o.Method == http.MethodGet {
		n.methods[methodOf([]byte(http.MethodHead))] = o
	}
	return nil
}

// find gives the operation for a path and a method, nil where there is none.
func (t *table) find(path []byte, method int) *operation {
	if method < 0 {
		return nil
	}
	return t.root.find(path, method)
}

func (n *tableNode) find(path []byte, method int) *operation {
	if len(path) == 0 {
		return n.methods[method]
	}
	part, rest, ok := step(path)
	if !ok {
		return nil
	}
	if next := n.words[string(part)]; next != nil {
		if o := next.find(rest, method); o != nil {
			return o
		}
	}
	if n.parameter != nil && len(part) > 0 {
		return n.parameter.find(rest, method)
	}
	return nil
}

// step takes the first part off a path: what stands between its first slash and
// its second, or its end.
func step(path []byte) (part, rest []byte, ok bool) {
	if path[0] != '/' {
		return nil, nil, false
	}
	path = path[1:]
	if i := bytes.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:], true
	}
	return path, nil, true
}

// allowed gives an operation for each method that a path knows.
func (t *table) allowed(path []byte) (found [len(methods)]*operation) {
	t.root.gather(path, &found)
	return found
}

func (n *tableNode) gather(path []byte, found *[len(methods)]*operation) {
	if len(path) == 0 {
		for i, o := range n.methods {
			if found[i] == nil {
				found[i] = o
			}
		}
		return
	}
	part, rest, ok := step(path)
	if !ok {
		return
	}
	if next := n.words[string(part)]; next != nil {
		next.gather(rest, found)
	}
	if n.parameter != nil && len(part) > 0 {
		n.parameter.gather(rest, found)
	}
}
