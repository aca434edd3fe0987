package rest

import (
	"context"
	"net/http"

	"stoa/modules/users"
	"stoa/modules/users/internal/service"
	"stoa/platform/auth"
	"stoa/platform/errs"
	"stoa/platform/web"
)

type register struct {
	Body struct {
		Email    string `json:"email" maxLength:"254" example:"ada@example.com" doc:"Unique, ignoring case."`
		Password string `json:"password" minLength:"10" maxLength:"256" doc:"Any characters but control characters, and none of the commonest passwords." writeOnly:"true"`
		Name     string `json:"name" minLength:"1" maxLength:"200"`
	}
}

type me struct{}

type updateMe struct {
	web.IfMatch
	Body struct {
		Name web.Optional[string] `json:"name,omitzero" minLength:"1" maxLength:"200"`
	}
}

func (h routes) registerAccount() {
	web.Register(h.router, web.Operation{
		ID: "register-user", Method: http.MethodPost, Path: "/users", Status: http.StatusCreated,
		Summary: "Open an account", Description: "How many accounts an address may open in a time is limited, unless an administrator asks.",
		Errors: []*errs.Error{users.ErrEmailTaken, users.ErrTooManyAttempts},
	}, h.register)
	web.Register(h.router, web.Operation{
		ID: "get-me", Method: http.MethodGet, Path: "/users/me", Access: web.SignedIn, Summary: "One's own account",
	}, h.getMe)
	web.Register(h.router, web.Operation{
		ID: "update-me", Method: http.MethodPatch, Path: "/users/me", Access: web.SignedIn,
		Summary: "Change one's own account", Description: "A JSON Merge Patch (RFC 7396).",
	}, h.updateMe)
}

func (h routes) register(ctx context.Context, in *register) (*accountAnswer, error) {
	r := service.RegisterRequest{Email: in.Body.Email, Password: in.Body.Password, Name: in.Body.Name, Address: web.ClientIP(ctx)}
	// A shop may bring its customers along.
	if caller(ctx).Has(auth.RoleAdmin) {
		r.Address = ""
	}
	return answer(h.service.Register(ctx, r))
}

func (h routes) getMe(ctx context.Context, _ *me) (*accountAnswer, error) {
	a, err := h.service.GetUser(ctx, caller(ctx).UserID)
	return answer(a, ofCaller(err))
}

func (h routes) updateMe(ctx context.Context, in *updateMe) (*accountAnswer, error) {
	name, err := text("body.name", in.Body.Name)
	if err != nil {
		return nil, err
	}
	a, err := h.service.UpdateUser(ctx, service.UpdateUserRequest{ID: caller(ctx).UserID, Name: name, Check: in.Check})
	return answer(a, ofCaller(err))
}

// text gives a field of a merge patch that may be left out but not be removed.
func text(location string, o web.Optional[string]) (*string, error) {
	switch {
	case o.Null:
		return nil, errs.ErrInvalid.Field(location, "must not be null")
	case o.Set:
		return &o.Value, nil
	}
	return nil, nil
}
