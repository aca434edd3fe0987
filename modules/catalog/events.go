package catalog

// StockReleased says that an order gave its stock back. The aggregate is the order.
type StockReleased struct {
	OrderID string `json:"order_id"`
	Items   []Item `json:"items"`
	// Returned tells that the stock had left the shop and came back.
	Returned bool `json:"returned"`
}

// EventType names the event on the bus.
func (StockReleased) EventType() string { return "stoa.catalog.stock_released.v1" }
