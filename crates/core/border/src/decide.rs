//! The verdict for one caller at one time.
