//! Checks whether digits are what their form suggests: a card, a resident's number, a telephone
//! number.

/// Returns whether no letter or digit touches the match, and it is no part of a decimal number: a
/// longer number is something else.
pub(super) fn stands_alone(whole: &str, part: std::ops::Range<usize>) -> bool {
    let mut before = whole.get(..part.start).unwrap_or_default().chars().rev();
    let mut after = whole.get(part.end..).unwrap_or_default().chars();
    let (left, right) = ((before.next(), before.next()), (after.next(), after.next()));
    let touches = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_');
    // 0.5454545454545454, 1e-4111111111111111, 4111111111111111.5
    let is_fraction =
        |(near, far): (Option<char>, Option<char>)| near == Some('.') && far.is_some_and(|c| c.is_ascii_digit());
    !touches(left.0) && !touches(right.0) && !is_fraction(left) && !is_fraction(right)
}

/// Returns whether the check character of a resident identity number is right (GB 11643-1999, ISO
/// 7064 MOD 11-2).
pub(super) fn is_resident(text: &str) -> bool {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECKS: &[u8; 11] = b"10X98765432";
    let digits = text.as_bytes();
    let Some((last, first)) = digits.split_last() else { return false };
    let sum: u32 = first.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    let month = text.get(10..12).and_then(|month| month.parse::<u32>().ok()).unwrap_or(0);
    (1..=12).contains(&month) && last.to_ascii_uppercase() == CHECKS[(sum % 11) as usize]
}

/// Returns whether the check digit of a card number is right (ISO/IEC 7812, Luhn).
pub(super) fn is_card(text: &str) -> bool {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(10)).collect();
    let luhn = digits.iter().rev().enumerate().map(|(place, &digit)| match place % 2 {
        0 => digit,
        _ if digit > 4 => digit * 2 - 9,
        _ => digit * 2,
    });
    // A repeated digit passes the check and is no card.
    digits.len() >= 13 && digits.iter().any(|digit| *digit != digits[0]) && luhn.sum::<u32>().is_multiple_of(10)
}

/// Returns whether a match may be a telephone number. In the international form an amount looks
/// alike: `+100 000 000`.
pub(super) fn is_phone(text: &str) -> bool {
    if !text.starts_with('+') {
        return true;
    }
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    if digits.ends_with("000000") {
        return false;
    }
    // Country codes by ITU-T E.164: 1 and 7, some of two digits, all others of three.
    match digits.as_bytes() {
        // The North American plan: eleven digits, and an area begins with 2 to 9.
        [b'1', area, ..] => digits.len() == 11 && *area >= b'2',
        [b'7', rest @ ..] => rest.len() == 10 && !rest.starts_with(b"00"),
        _ => ![2, 3].iter().any(|code| digits.get(*code..).is_some_and(|rest| rest.starts_with("0000"))),
    }
}
