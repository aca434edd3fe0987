package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"stoa/platform/errs"
)

const (
	// maxDepth is how deep arrays and objects of a body may be nested.
	maxDepth = 64
	// maxName is how long the name of a member may be, in bytes: names go into
	// the locations of what is wrong.
	maxName = 256
	// maxFields is how many bad fields an answer names.
	maxFields = 50
)

// decoding is how a body that parse has judged is read into its type. Names
// are known to be unique by then, and text to be UTF-8.
var decoding = json.JoinOptions(
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
)

// encoding is how answers are written: the same bytes for the same value, and
// never a failure for text that is not UTF-8.
var encoding = json.JoinOptions(
	json.Deterministic(true),
	jsontext.AllowDuplicateNames(true),
	jsontext.AllowInvalidUTF8(true),
)

// Written is an answer's body that may have been written before. JSON gives its
// text, as this package would write it, which goes out as it is; the encoder
// would look at every byte of it again. Where it gives nil, the value is encoded.
type Written interface{ JSON() []byte }

func encode(w io.Writer, v any) error {
	if written, ok := v.(Written); ok {
		if text := written.JSON(); text != nil {
			_, err := w.Write(text)
			return err
		}
	}
	return json.MarshalWrite(w, v, encoding)
}

// decode reads a body that has been judged already into the type of a handler's
// input. What the schema could not see (a number too large for its type, say)
// is an error that names where it stands, in the form splitLocation reads.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v, decoding)
	var semantic *json.SemanticError
	if !errors.As(err, &semantic) {
		return err
	}
	message := "has a value of the wrong type or form"
	if e, ok := errs.As(semantic.Err); ok {
		message = e.Message
	} else if errors.Is(semantic.Err, strconv.ErrRange) || strings.Contains(fmt.Sprint(semantic.Err), "out of range") {
		message = "is out of range"
	}
	return errors.New(location(semantic.JSONPointer) + locationSeparator + message)
}

const locationSeparator = ": "

// splitLocation takes apart what decode reports.
func splitLocation(text string) (location, message string, ok bool) {
	location, message, ok = strings.Cut(text, locationSeparator)
	return location, message, ok && strings.HasPrefix(location, "body")
}

// location writes a JSON pointer as locations are written: body.items[0].sku.
func location(p jsontext.Pointer) string {
	var b strings.Builder
	b.WriteString("body")
	for token := range p.Tokens() {
		if _, err := strconv.ParseUint(token, 10, 32); err == nil {
			b.WriteString("[" + token + "]")
		} else {
			b.WriteString("." + token)
		}
	}
	return b.String()
}

// tree is a body in the form that a schema judges.
type tree struct {
	value any
	// fields are the values that no schema can allow.
	fields []errs.Field
}

// parser reads JSON text strictly (RFC 8259, RFC 7493): what is not UTF-8, has
// a name twice, goes on after the end or is nested too deep is malformed.
type parser struct {
	decoder *jsontext.Decoder
	path    []segment
	fields  []errs.Field
	// name is how names of members are put into the tree.
	name func(string) string
}

// segment is a step on the way to a value: the name of a member, or else the
// index of an element.
type segment struct {
	name  string
	index int
}

var decoders = sync.Pool{New: func() any { return new(jsontext.Decoder) }}

// parse reads a text. Its error is ErrMalformedBody.
func parse(data []byte, name func(string) string) (tree, error) {
	if len(bytes.TrimLeft(data, " \t\r\n")) == 0 {
		return tree{}, ErrMalformedBody.With("the body is empty")
	}
	p := parser{decoder: decoders.Get().(*jsontext.Decoder), name: name}
	defer decoders.Put(p.decoder)
	p.decoder.Reset(bytes.NewBuffer(data))
	defer p.decoder.Reset(nothing)

	value, err := p.read(0)
	if err == nil {
		if _, err = p.decoder.ReadToken(); err == io.EOF {
			return tree{value, p.fields}, nil
		}
		if err == nil {
			err = errors.New("there is more after the end")
		}
	}
	return tree{}, ErrMalformedBody.With("the body is no well-formed JSON: %s", why(err)).Because(err)
}

// nothing is what a decoder at rest holds on to.
var nothing = bytes.NewBuffer(nil)

var errTooDeep = fmt.Errorf("it is nested more than %d deep", maxDepth)

// why says what is wrong with a text without quoting from it.
func why(err error) string {
	var syntactic *jsontext.SyntacticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		return "an object has a name twice"
	case errors.As(err, &syntactic):
		return "it breaks off or goes wrong at byte " + strconv.FormatInt(syntactic.ByteOffset, 10)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "it breaks off"
	default:
		return err.Error()
	}
}

func (p *parser) read(depth int) (any, error) {
	switch kind := p.decoder.PeekKind(); kind {
	case '{', '[':
		if depth == maxDepth {
			return nil, errTooDeep
		}
		if _, err := p.decoder.ReadToken(); err != nil {
			return nil, err
		}
		if kind == '{' {
			return p.object(depth + 1)
		}
		return p.array(depth + 1)
	case '0':
		text, err := p.decoder.ReadValue()
		if err != nil {
			return nil, err
		}
		return p.number(text), nil
	default:
		token, err := p.decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		switch token.Kind() {
		case '"':
			text := token.String()
			if strings.IndexByte(text, 0) >= 0 {
				p.bad("must not contain NUL")
			}
			return text, nil
		case 't', 'f':
			return token.Bool(), nil
		default:
			return nil, nil
		}
	}
}

func (p *parser) object(depth int) (any, error) {
	object := map[string]any{}
	for p.decoder.PeekKind() != '}' {
		token, err := p.decoder.ReadToken()
		if err != nil {
			return nil, err
		}
		name := token.String()
		if len(name) > maxName || strings.IndexByte(name, 0) >= 0 {
			p.bad("has a member whose name is not allowed")
		}
		p.path = append(p.path, segment{name: name})
		value, err := p.read(depth)
		if err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
		object[p.name(name)] = value
	}
	_, err := p.decoder.ReadToken()
	return object, err
}

func (p *parser) array(depth int) (any, error) {
	array := []any{}
	for p.decoder.PeekKind() != ']' {
		p.path = append(p.path, segment{index: len(array)})
		value, err := p.read(depth)
		if err != nil {
			return nil, err
		}
		p.path = p.path[:len(p.path)-1]
		array = append(array, value)
	}
	_, err := p.decoder.ReadToken()
	return array, err
}

// number keeps whole numbers whole, as far as Go's types reach.
func (p *parser) number(text []byte) any {
	s := string(text)
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i
	}
	if u, err := strconv.ParseUint(s, 10, 64); err == nil {
		return u
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		p.bad("is out of range")
		return math.MaxFloat64
	}
	return f
}

func (p *parser) bad(message string) {
	if len(p.fields) == maxFields {
		return
	}
	var at strings.Builder
	at.WriteString("body")
	for _, s := range p.path {
		if s.name != "" {
			at.WriteString("." + s.name)
		} else {
			at.WriteString("[" + strconv.Itoa(s.index) + "]")
		}
	}
	p.fields = append(p.fields, errs.Field{Location: at.String(), Message: message})
}

var (
	aside = strings.NewReplacer(".", "\x1c", "[", "\x1d")
	back  = strings.NewReplacer("\x1c", ".", "\x1d", "[")
)

// setAside writes a name for the tree that Huma judges: Huma takes locations
// apart at dots and brackets, and a name must not look like two.
func setAside(name string) string {
	if strings.ContainsAny(name, ".[") {
		return aside.Replace(name)
	}
	return name
}

// putBack undoes setAside in a location.
func putBack(location string) string { return back.Replace(location) }

// asItIs is the name of parse for any other use.
func asItIs(name string) string { return name }
