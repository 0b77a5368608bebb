//! Codes and names of countries and territories.
