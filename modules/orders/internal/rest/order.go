package rest

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"stoa/modules/orders"
	"stoa/modules/orders/internal/service"
	"stoa/platform/errs"
	"stoa/platform/money"
	"stoa/platform/web"
)

// placeTimeout is how long placing an order may take: the longest wait that
// can be preferred, and what comes before it.
const placeTimeout = web.MaxWait + 10*time.Second

type line struct {
	SKU      string `json:"sku" minLength:"1" maxLength:"200"`
	Quantity int64  `json:"quantity" minimum:"1" maximum:"10000" doc:"The same sku twice is added up, to at most 10,000."`
}

type deliverTo struct {
	Name       string `json:"name" minLength:"1" maxLength:"200"`
	Line1      string `json:"line1" minLength:"1" maxLength:"200"`
	Line2      string `json:"line2,omitempty" maxLength:"200"`
	City       string `json:"city" minLength:"1" maxLength:"100"`
	Region     string `json:"region,omitempty" maxLength:"100"`
	PostalCode string `json:"postal_code,omitempty" maxLength:"20"`
	Country    string `json:"country" minLength:"2" maxLength:"2" example:"GR" doc:"ISO 3166-1 alpha-2."`
	Phone      string `json:"phone,omitempty" maxLength:"40"`
}

type paymentMethod struct {
	Method string `json:"method" minLength:"1" maxLength:"50" example:"card"`
	Token  string `json:"token" minLength:"1" maxLength:"500" example:"tok_approve"`
}

type placeOrder struct {
	web.Prefer
	Body struct {
		CartID          string        `json:"cart_id,omitempty" doc:"Either this or items." maxLength:"50"`
		Items           []line        `json:"items,omitempty" doc:"Either this or cart_id." maxItems:"500"`
		ShippingAddress *deliverTo    `json:"shipping_address,omitempty" doc:"Either this or address_id."`
		AddressID       string        `json:"address_id,omitempty" doc:"One of one's addresses." maxLength:"50"`
		Payment         paymentMethod `json:"payment"`
		ExpectedTotal   *money.Money  `json:"expected_total,omitempty" doc:"The order is placed for this total or not at all."`
	}
}

type placedOrder struct {
	Location string   `header:"Location"`
	ETag     web.ETag `header:"ETag"`
	Applied  string   `header:"Preference-Applied"`
	Body     orders.Order
}

// Parts is embedded in the inputs of what can be expanded. It is exported as
// Huma reads no others.
type Parts struct {
	Expand []string `query:"expand" enum:"user,products" doc:"Parts to add that other modules own. A part whose module does not answer is null, and the module named in warnings."`
}

func (p Parts) asked() (with service.Expand) {
	for _, part := range p.Expand {
		with.User = with.User || part == "user"
		with.Products = with.Products || part == "products"
	}
	return with
}

type listOrders struct {
	web.Page
	Parts
	Status       string    `query:"status" enum:"pending,confirmed,shipped,delivered,rejected,canceled"`
	UserID       string    `query:"user_id" format:"uuid" doc:"For staff: whose."`
	PlacedAfter  time.Time `query:"placed_after"`
	PlacedBefore time.Time `query:"placed_before"`
}

type orderList struct {
	Body web.List[expandedOrder]
}

type readOrder struct {
	Parts
	ID string `path:"id"`
}

type orderAnswer struct {
	ETag web.ETag `header:"ETag"`
	Body expandedOrder
}

type orderHistory struct {
	ID string `path:"id"`
}

type history struct {
	Body struct {
		Items []orders.Event `json:"items"`
	}
}

func (h routes) registerOrders() {
	web.Register(h.router, web.Operation{
		ID: "place-order", Method: http.MethodPost, Path: "/orders", Access: web.SignedIn, Status: http.StatusCreated,
		Idempotent: true, Timeout: placeTimeout, Summary: "Place an order",
		Description: "Its checkout goes on after the answer, unless Prefer: wait=N asks to wait for it.",
		Errors: []*errs.Error{
			orders.ErrCartNotFound, orders.ErrCartCheckedOut, orders.ErrCartChanged, orders.ErrPriceChanged,
			orders.ErrNotForSale, orders.ErrSeveralCurrencies, money.ErrOverflow,
		},
	}, h.placeOrder)
	web.Register(h.router, web.Operation{
		ID: "list-orders", Method: http.MethodGet, Path: "/orders", Access: web.SignedIn,
		Summary: "Orders, the newest first: one's own, for staff all",
	}, h.listOrders)
	web.Register(h.router, web.Operation{
		ID: "get-order", Method: http.MethodGet, Path: "/orders/{id}", Access: web.SignedIn,
		Summary: "An order", Errors: []*errs.Error{orders.ErrOrderNotFound},
	}, h.getOrder)
	web.Register(h.router, web.Operation{
		ID: "get-order-events", Method: http.MethodGet, Path: "/orders/{id}/events", Access: web.SignedIn,
		Summary: "All that happened to an order, the oldest first", Errors: []*errs.Error{orders.ErrOrderNotFound},
	}, h.getHistory)
}

func (h routes) placeOrder(ctx context.Context, in *placeOrder) (*placedOrder, error) {
	wait := in.Wait()
	lines := make([]orders.Line, len(in.Body.Items))
	for i, l := range in.Body.Items {
		lines[i] = orders.Line(l)
	}
	o, err := h.service.PlaceOrder(ctx, service.PlaceOrder{
		By: caller(ctx), CartID: in.Body.CartID, Items: lines,
		ShippingAddress: (*orders.ShippingAddress)(in.Body.ShippingAddress), AddressID: in.Body.AddressID,
		Method: in.Body.Payment.Method, Token: in.Body.Payment.Token,
		ExpectedTotal: in.Body.ExpectedTotal, Wait: wait,
	})
	if err != nil {
		return nil, err
	}
	out := &placedOrder{Location: web.Base + "/orders/" + o.ID, ETag: web.Version(o.Version), Body: o}
	if wait > 0 {
		out.Applied = "wait=" + strconv.Itoa(int(wait/time.Second))
	}
	return out, nil
}

func (h routes) listOrders(ctx context.Context, in *listOrders) (*orderList, error) {
	by := caller(ctx)
	cursors := h.router.Cursors("orders", by.UserID, in.Status, in.UserID, in.PlacedAfter, in.PlacedBefore)
	var last service.Position
	if err := cursors.Decode(in.Cursor, &last); err != nil {
		return nil, err
	}
	with := in.asked()
	list, more, err := h.service.ListOrders(ctx, service.ListOrders{
		By: by, UserID: in.UserID, Status: in.Status, PlacedAfter: in.PlacedAfter, PlacedBefore: in.PlacedBefore,
		Last: last, Limit: in.Limit, With: with,
	})
	if err != nil {
		return nil, err
	}
	out := &orderList{}
	out.Body.Items = make([]expandedOrder, len(list))
	for i, v := range list {
		out.Body.Items[i] = show(v, with)
	}
	if more {
		end := list[len(list)-1]
		out.Body.NextCursor = cursors.Encode(service.Position{PlacedAt: end.PlacedAt, ID: end.ID})
	}
	return out, nil
}

func (h routes) getOrder(ctx context.Context, in *readOrder) (*orderAnswer, error) {
	with := in.asked()
	v, err := h.service.ReadOrder(ctx, caller(ctx), in.ID, with)
	if err != nil {
		return nil, err
	}
	return &orderAnswer{ETag: web.Version(v.Version), Body: show(v, with)}, nil
}

func (h routes) getHistory(ctx context.Context, in *orderHistory) (*history, error) {
	events, err := h.service.History(ctx, caller(ctx), in.ID)
	if err != nil {
		return nil, err
	}
	out := &history{}
	out.Body.Items = events
	return out, nil
}

// expandedOrder is an order with the parts that were asked for; what was not is left out.
type expandedOrder struct {
	orders.Order
	User     web.Optional[service.User]      `json:"user,omitzero" doc:"With expand=user: null where users does not answer."`
	Products web.Optional[[]service.Product] `json:"products,omitzero" doc:"With expand=products: null where catalog does not answer."`
	Warnings []string                        `json:"warnings,omitzero" doc:"With expand: the modules that did not answer."`
}

func show(v service.View, with service.Expand) expandedOrder {
	shown := expandedOrder{Order: v.Order}
	if with.User {
		shown.User = web.Optional[service.User]{Set: true, Null: true}
		if v.User != nil {
			shown.User = web.Some(*v.User)
		}
	}
	if with.Products {
		shown.Products = web.Optional[[]service.Product]{Set: true, Null: v.Products == nil, Value: v.Products}
	}
	if with.User || with.Products {
		shown.Warnings = append([]string{}, v.Warnings...)
	}
	return shown
}
