package web

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"

	"github.com/fxamacker/cbor/v2"
	"github.com/go-json-experiment/json"
)

// CBOR (RFC 8949) is spoken at the edge only: a body is put into JSON before it
// is judged, an answer into CBOR after it is made. So there is one set of rules
// for what is accepted, and one form of every type.
const (
	jsonType        = "application/json"
	cborType        = "application/cbor"
	problemJSONType = "application/problem+json"
	problemCBORType = "application/problem+cbor"
	mergePatchType  = "application/merge-patch+json"
	multipartType   = "multipart/form-data"
)

var (
	cborReading = must(cbor.DecOptions{
		DupMapKey:       cbor.DupMapKeyEnforcedAPF,
		MaxNestedLevels: maxDepth,
		TagsMd:          cbor.TagsForbidden,
		UTF8:            cbor.UTF8RejectInvalid,
		NaN:             cbor.NaNDecodeForbidden,
		Inf:             cbor.InfDecodeForbidden,
		DefaultMapType:  reflect.TypeFor[map[string]any](),
	}.DecMode())
	cborWriting = must(cbor.CanonicalEncOptions().EncMode())
)

// must is for what only a change of this file can break.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// fromCBOR gives the JSON text that says the same. Its errors are
// ErrMalformedBody, and ErrInvalid for a byte string, which JSON does not have.
func fromCBOR(data []byte) ([]byte, error) {
	var value any
	if len(data) == 0 {
		return nil, ErrMalformedBody.With("the body is empty")
	}
	if err := cborReading.Unmarshal(data, &value); err != nil {
		return nil, ErrMalformedBody.With("the body is no well-formed CBOR of the kinds that JSON has").Because(err)
	}
	if hasBytes(value) {
		return nil, errInvalidBody.Field("body", "must not contain byte strings")
	}
	text, err := json.Marshal(value, encoding)
	if err != nil {
		return nil, ErrMalformedBody.Because(fmt.Errorf("put CBOR into JSON: %w", err))
	}
	return text, nil
}

func hasBytes(value any) bool {
	switch v := value.(type) {
	case []byte:
		return true
	case []any:
		for _, item := range v {
			if hasBytes(item) {
				return true
			}
		}
	case map[string]any:
		for _, item := range v {
			if hasBytes(item) {
				return true
			}
		}
	}
	return false
}

// toCBOR gives the CBOR that says the same as a JSON text.
func toCBOR(text []byte) ([]byte, error) {
	t, err := parse(bytes.TrimSpace(text), asItIs)
	if err == nil && len(t.fields) > 0 {
		err = errors.New("JSON that CBOR has no form for")
	}
	if err != nil {
		return nil, fmt.Errorf("put JSON into CBOR: %w", err)
	}
	return cborWriting.Marshal(t.value)
}
