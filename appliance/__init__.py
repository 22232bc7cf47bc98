"""The appliance: records, policy, inspection, evidence and the processes that keep them."""
