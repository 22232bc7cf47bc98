"""Records between appliances: edges and sidecars ship their journals, a central appliance takes them."""
