//! Tables in, country and autonomous system out.
