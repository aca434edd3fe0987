package rest

import (
	"context"
	"net/http"

	"stoa/modules/users"
	"stoa/modules/users/internal/service"
	"stoa/platform/errs"
	"stoa/platform/web"
)

type signIn struct {
	Body struct {
		Email    string `json:"email" maxLength:"254" example:"ada@example.com"`
		Password string `json:"password" maxLength:"256" writeOnly:"true"`
	}
}

type refresh struct {
	Body struct {
		RefreshToken string `json:"refresh_token" maxLength:"256"`
	}
}

type signOut struct{}

// session is what signing in gives (RFC 6749 §5.1, and the user).
type session struct {
	AccessToken  string     `json:"access_token" doc:"A JWT, for Authorization: Bearer."`
	TokenType    string     `json:"token_type" enum:"Bearer"`
	ExpiresIn    int64      `json:"expires_in" doc:"How long the access token is good for, in seconds."`
	RefreshToken string     `json:"refresh_token" doc:"Good once, for a new pair."`
	User         users.User `json:"user"`
}

type sessionAnswer struct {
	Body session
}

func begun(s service.Session, err error) (*sessionAnswer, error) {
	if err != nil {
		return nil, err
	}
	return &sessionAnswer{session{
		AccessToken: s.AccessToken, TokenType: "Bearer", ExpiresIn: int64(s.ExpiresIn.Seconds()),
		RefreshToken: s.RefreshToken, User: s.Account.User,
	}}, nil
}

func (h routes) registerSessions() {
	web.Register(h.router, web.Operation{
		ID: "sign-in", Method: http.MethodPost, Path: "/sessions", NoIdentity: true, Status: http.StatusCreated,
		Summary: "Sign in", Description: "Wrong passwords are answered ever more slowly, by account and by address.",
		Errors: []*errs.Error{users.ErrInvalidCredentials, users.ErrTooManyAttempts},
	}, h.signIn)
	web.Register(h.router, web.Operation{
		ID: "refresh-session", Method: http.MethodPost, Path: "/sessions/refresh", NoIdentity: true,
		Summary: "Get a new pair of tokens", Description: "The refresh token is spent. One that was spent before ends its whole session.",
		Errors: []*errs.Error{users.ErrInvalidRefreshToken},
	}, h.refresh)
	web.Register(h.router, web.Operation{
		ID: "sign-out", Method: http.MethodDelete, Path: "/sessions/current", Access: web.SignedIn, Status: http.StatusNoContent,
		Summary: "Sign out", Description: "Ends the session with all its tokens.",
	}, h.signOut)
}

func (h routes) signIn(ctx context.Context, in *signIn) (*sessionAnswer, error) {
	return begun(h.service.SignIn(ctx, service.SignInRequest{Email: in.Body.Email, Password: in.Body.Password, Address: web.ClientIP(ctx)}))
}

func (h routes) refresh(ctx context.Context, in *refresh) (*sessionAnswer, error) {
	return begun(h.service.Refresh(ctx, in.Body.RefreshToken))
}

func (h routes) signOut(ctx context.Context, _ *signOut) (*struct{}, error) {
	return nil, h.service.SignOut(ctx, caller(ctx))
}
