//! Elements of one JSON array (RFC 8259).
//!
//! Strings are masked out, brackets are counted, and a comma at depth 1 separates two elements. That
//! elements are separated and that none is missing is checked; the inside of an element is not.

#![allow(clippy::inline_always, reason = "a kernel is compiled once for each kind of block")]

use crate::chunk::scan::cutter::Cutter;
use crate::chunk::scan::error::{Fault, Malformed};
use crate::sys::simd::{Block, WIDTH};

/// What has been seen of the element at depth 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Element {
    /// Nothing yet.
    Missing,
    /// Its beginning.
    Begun,
    /// All of it: an object or array that has been closed.
    Closed,
}

/// Finds where elements start, from the byte after the opening bracket on.
#[derive(Clone, Debug)]
pub(crate) struct JsonScanner {
    depth: u64,
    in_string: bool,
    /// Whether the next byte follows a backslash that escapes it.
    escaped: bool,
    element: Element,
    /// Where the last comma at depth 1 is.
    comma: Option<u64>,
    /// Where the closing bracket is.
    end: Option<u64>,
    /// Where the first element starts, until there is one.
    first: Option<u64>,
}

impl JsonScanner {
    /// Begins after the opening bracket, at `start`.
    pub(crate) fn new(start: u64) -> Self {
        Self {
            depth: 1,
            in_string: false,
            escaped: false,
            element: Element::Missing,
            comma: None,
            end: None,
            first: Some(start),
        }
    }

    /// Where the closing bracket of the array is, once it has been reached.
    pub(crate) fn end(&self) -> Option<u64> {
        self.end
    }

    /// Whether it has no element so far.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_some()
    }

    /// Scans the bytes at `base` of the joined inputs. A record starts after the opening bracket and
    /// after each comma.
    #[inline(always)]
    pub(crate) fn scan<B: Block>(
        &mut self,
        bytes: &[u8],
        mut base: u64,
        cutter: &mut Cutter,
    ) -> Result<(), Malformed> {
        let (blocks, rest) = bytes.as_chunks::<WIDTH>();
        for block in blocks {
            self.block::<B>(block, WIDTH, base, cutter)?;
            base += WIDTH as u64;
        }
        if !rest.is_empty() {
            let mut block = [b' '; WIDTH];
            block[..rest.len()].copy_from_slice(rest);
            self.block::<B>(&block, rest.len(), base, cutter)?;
        }
        Ok(())
    }

    /// Scans a block of which only the first `length` bytes are real; the others are spaces.
    #[inline(always)]
    fn block<B: Block>(
        &mut self,
        bytes: &[u8; WIDTH],
        length: usize,
        base: u64,
        cutter: &mut Cutter,
    ) -> Result<(), Malformed> {
        let block = B::load(bytes);
        let mut quotes = block.eq(b'"');
        let backslashes = block.eq(b'\\');
        if backslashes != 0 || self.escaped {
            quotes &= !self.escapes(backslashes, length);
        }
        let strings = B::prefix_xor(quotes) ^ if self.in_string { u64::MAX } else { 0 };
        self.in_string = strings >> 63 == 1;
        let opening = block.eq_ignoring_0x20(b'{') & !strings;
        let closing = block.eq_ignoring_0x20(b'}') & !strings;
        let closed = u64::from(closing.count_ones());
        if self.depth >= closed + 2 {
            self.depth = self.depth + u64::from(opening.count_ones()) - closed;
            return Ok(());
        }
        self.shallow::<B>(block, bytes, opening, closing, strings, base, cutter)
    }

    /// Scans a block that may have bytes of the array itself.
    #[inline(always)]
    #[allow(clippy::too_many_arguments, reason = "they are sets of one block")]
    fn shallow<B: Block>(
        &mut self,
        block: B,
        bytes: &[u8; WIDTH],
        opening: u64,
        closing: u64,
        strings: u64,
        base: u64,
        cutter: &mut Cutter,
    ) -> Result<(), Malformed> {
        let commas = block.eq(b',') & !strings;
        let visible = block.above_space() | strings;
        if self.flat::<B>(opening, closing, commas, visible, base, cutter) {
            return Ok(());
        }
        let mut brackets = opening | closing;
        // The bytes before this one have been dealt with.
        let mut from = 0;
        loop {
            let at = brackets.trailing_zeros();
            if self.depth <= 1 {
                let between = below(at) & !below(from);
                self.at_depth(commas & between, visible & between, base, cutter)?;
            }
            if at == 64 {
                return Ok(());
            }
            let place = base + u64::from(at);
            if opening >> at & 1 == 1 {
                if self.depth == 1 {
                    self.first_element(cutter);
                    if self.element == Element::Closed {
                        return Err(Fault::MissingComma.at(place));
                    }
                    self.element = Element::Begun;
                } else if self.depth == 0 {
                    return Err(Fault::TextAfterArray.at(place));
                }
                self.depth += 1;
            } else {
                match self.depth {
                    0 => return Err(Fault::TextAfterArray.at(place)),
                    1 if bytes[at as usize] != b']' => {
                        return Err(Fault::WrongBracket.at(place));
                    }
                    1 => self.close_array(place)?,
                    2 => self.element = Element::Closed,
                    _ => {}
                }
                self.depth -= 1;
            }
            brackets &= brackets - 1;
            from = at + 1;
        }
    }

    /// Scans a block in which every element is an object or array without others inside, as in most large
    /// files: then brackets open and close in turn, and between two elements is one comma. Returns false,
    /// and changes nothing, if it has anything else.
    #[inline(always)]
    fn flat<B: Block>(
        &mut self,
        opening: u64,
        closing: u64,
        commas: u64,
        visible: u64,
        base: u64,
        cutter: &mut Cutter,
    ) -> bool {
        if !matches!(self.depth, 1 | 2) || self.first.is_some() {
            return false;
        }
        let was_inside = self.depth == 2;
        let brackets = opening | closing;
        let inside = B::prefix_xor(brackets) ^ if was_inside { u64::MAX } else { 0 };
        let between = !(inside | brackets);
        let commas = commas & between;
        let is_begun = self.element == Element::Begun && !was_inside;
        if opening != brackets & inside || commas != visible & between || is_begun {
            return false;
        }
        // Elements and the commas after them come in turn.
        let begins = self.element == Element::Missing && !was_inside;
        let turn = B::prefix_xor(opening | commas) ^ if begins { 0 } else { u64::MAX };
        if opening & turn != opening || commas & turn != 0 {
            return false;
        }
        self.depth = 1 + (inside >> 63);
        if let Some(last) = (brackets | commas).checked_ilog2() {
            self.element = match 1 << last {
                bit if opening & bit != 0 => Element::Begun,
                bit if closing & bit != 0 => Element::Closed,
                _ => Element::Missing,
            };
        }
        if let Some(last) = commas.checked_ilog2() {
            self.comma = Some(base + u64::from(last));
        }
        cutter.records(base + 1, commas);
        true
    }

    /// Looks at bytes between brackets, all of them at depth 1 or after the array.
    #[inline(always)]
    fn at_depth(
        &mut self,
        mut commas: u64,
        mut visible: u64,
        base: u64,
        cutter: &mut Cutter,
    ) -> Result<(), Malformed> {
        if visible == 0 {
            return Ok(());
        }
        if self.depth == 0 {
            let at = base + u64::from(visible.trailing_zeros());
            return Err(Fault::TextAfterArray.at(at));
        }
        while commas != 0 {
            let at = commas.trailing_zeros();
            let place = base + u64::from(at);
            self.text(visible & below(at), base, cutter)?;
            if self.element == Element::Missing {
                return Err(Fault::MissingElement.at(place));
            }
            self.comma = Some(place);
            self.element = Element::Missing;
            cutter.records(place + 1, 1);
            visible &= !below(at + 1);
            commas &= commas - 1;
        }
        self.text(visible, base, cutter)
    }

    /// Looks at what an element has outside brackets.
    #[inline(always)]
    fn text(&mut self, visible: u64, base: u64, cutter: &mut Cutter) -> Result<(), Malformed> {
        if visible == 0 {
            return Ok(());
        }
        let at = base + u64::from(visible.trailing_zeros());
        self.first_element(cutter);
        if self.element == Element::Closed {
            return Err(Fault::MissingComma.at(at));
        }
        self.element = Element::Begun;
        Ok(())
    }

    /// Notes the first element of all, which no comma precedes.
    #[inline(always)]
    fn first_element(&mut self, cutter: &mut Cutter) {
        if let Some(start) = self.first.take() {
            cutter.records(start, 1);
        }
    }

    fn close_array(&mut self, at: u64) -> Result<(), Malformed> {
        if self.element == Element::Missing
            && let Some(comma) = self.comma
        {
            return Err(Fault::TrailingComma.at(comma));
        }
        self.end = Some(at);
        Ok(())
    }

    /// Returns which bytes a backslash escapes, given all backslashes.
    fn escapes(&mut self, backslashes: u64, length: usize) -> u64 {
        let mut escaped = u64::from(self.escaped);
        let mut left = backslashes;
        self.escaped = false;
        while left != 0 {
            let at = left.trailing_zeros();
            left &= left - 1;
            if escaped >> at & 1 == 1 {
                continue;
            }
            if at as usize + 1 >= length {
                self.escaped = true;
            } else {
                escaped |= 2 << at;
            }
        }
        escaped
    }

    /// Checks that the array has been closed where the input ends.
    pub(crate) fn finish(&self, end: u64) -> Result<(), Malformed> {
        match self.end {
            Some(_) => Ok(()),
            None => Err(Fault::CutOff.at(end)),
        }
    }
}

/// The set of positions below one.
#[inline(always)]
fn below(at: u32) -> u64 {
    1u64.checked_shl(at).unwrap_or(0).wrapping_sub(1)
}
