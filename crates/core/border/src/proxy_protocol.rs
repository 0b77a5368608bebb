//! The address that a load balancer tells before the first byte.
