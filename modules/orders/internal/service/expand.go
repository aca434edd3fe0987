package service

import (
	"context"
	"slices"
	"sync"

	"stoa/modules/catalog"
	"stoa/modules/orders"
	"stoa/modules/users"
)

// Expand says which parts of other modules an order is to be shown with.
type Expand struct{ User, Products bool }

// View is an order with parts that other modules own.
type View struct {
	orders.Order
	// User is the customer; nil where it was not asked for, the customer was
	// deleted, or users did not answer.
	User *User
	// Products are those that were bought, in the order of the items; nil where
	// they were not asked for or catalog did not answer.
	Products []Product
	// Warnings names the modules that did not answer.
	Warnings []string
}

type (
	// User is users' part of an order.
	User = users.User
	// Product is catalog's.
	Product = catalog.Product
)

// The most that neighbours tell at once.
const (
	usersAtOnce    = 200
	productsAtOnce = 1000
)

// expand composes orders with what their neighbours know, asking each once for
// all of them. A neighbour that does not answer is named, and holds nothing up.
func (s *Service) expand(ctx context.Context, list []orders.Order, with Expand) []View {
	var (
		asking   sync.WaitGroup
		people   map[string]User
		products map[string]Product
		failures [2]error
	)
	if with.User {
		asking.Go(func() { people, failures[0] = s.usersOf(ctx, list) })
	}
	if with.Products {
		asking.Go(func() { products, failures[1] = s.productsOf(ctx, list) })
	}
	asking.Wait()
	var warnings []string
	for i, module := range []string{users.Name, catalog.Name} {
		if failures[i] != nil {
			s.Log.WarnContext(ctx, "orders are shown without a part", "module", module, "error", failures[i])
			warnings = append(warnings, module)
		}
	}
	views := make([]View, len(list))
	for i, o := range list {
		views[i] = View{Order: o, Warnings: warnings}
		if user, known := people[o.UserID]; known {
			views[i].User = &user
		}
		if with.Products && failures[1] == nil {
			views[i].Products = []Product{}
			for _, id := range productIDs(o) {
				if p, known := products[id]; known {
					views[i].Products = append(views[i].Products, p)
				}
			}
		}
	}
	return views
}

func (s *Service) usersOf(ctx context.Context, list []orders.Order) (map[string]User, error) {
	var ids []string
	for _, o := range list {
		ids = append(ids, o.UserID)
	}
	found := map[string]User{}
	for some := range slices.Chunk(distinct(ids), usersAtOnce) {
		answer, err := s.Users.GetUsers(ctx, users.GetUsersRequest{IDs: some})
		if err != nil {
			return nil, err
		}
		for _, u := range answer {
			found[u.ID] = u
		}
	}
	return found, nil
}

func (s *Service) productsOf(ctx context.Context, list []orders.Order) (map[string]Product, error) {
	var ids []string
	for _, o := range list {
		ids = append(ids, productIDs(o)...)
	}
	found := map[string]Product{}
	for some := range slices.Chunk(distinct(ids), productsAtOnce) {
		answer, err := s.Catalog.GetProducts(ctx, catalog.GetProductsRequest{IDs: some})
		if err != nil {
			return nil, err
		}
		for _, p := range answer {
			found[p.ID] = p
		}
	}
	return found, nil
}

// productIDs gives the products of an order, each once, in the order of its items.
func productIDs(o orders.Order) []string {
	var ids []string
	for _, item := range o.Items {
		if !slices.Contains(ids, item.ProductID) {
			ids = append(ids, item.ProductID)
		}
	}
	return ids
}

func distinct(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
