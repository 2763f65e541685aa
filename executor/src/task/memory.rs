#![expect(unsafe_code, reason = "a cache of raw memory blocks")]
//! Where task cells live: the allocator, behind a small cache per thread.
//!
//! Tasks come and go by the million, in a few sizes, and a sweep frees dozens of them at once; the allocator's own cache is too short
//! for that. So each thread keeps up to [`KEEP`] freed blocks per size and hands them out again. A block is kept by the thread that
//! frees it; what is too much goes back to the allocator, and so does everything when the thread ends.
//!
//! Debug builds keep nothing: every cell is then the allocator's, from birth to death, and a sanitizer sees every use after that.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

/// Blocks that a thread keeps per size.
const KEEP: usize = if cfg!(debug_assertions) { 0 } else { 512 };

/// Sizes are 8 more than a multiple of 16, because that is what fits a chunk of the common allocators without a rest.
const STEP: usize = 16;
const REST: usize = 8;
const ALIGN: usize = 16;
/// The largest size that is kept: `STEP * (CLASSES - 1) + REST`.
const CLASSES: usize = 64;

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache { lists: [const { List { first: None, len: 0 } }; CLASSES] }) };
}

struct Cache {
    lists: [List; CLASSES],
}

/// Free blocks of one size, each holding the address of the next.
struct List {
    first: Option<NonNull<Block>>,
    len: usize,
}

struct Block {
    next: Option<NonNull<Block>>,
}

/// The class of a layout, if blocks like it are kept.
const fn class(layout: Layout) -> Option<usize> {
    let class = layout.size().saturating_sub(REST).div_ceil(STEP);
    if layout.align() <= ALIGN && class < CLASSES {
        Some(class)
    } else {
        None
    }
}

const fn class_layout(class: usize) -> Layout {
    let size = if class == 0 {
        STEP
    } else {
        class * STEP + REST
    };
    match Layout::from_size_align(size, ALIGN) {
        Ok(layout) => layout,
        Err(_) => unreachable!(),
    }
}

/// Memory for a `T`, not initialised.
pub(super) fn allocate<T>() -> NonNull<T> {
    let layout = Layout::new::<T>();
    let Some(class) = class(layout) else {
        return fresh(layout).cast();
    };
    let kept = CACHE
        .try_with(|cache| cache.borrow_mut().lists[class].pop())
        .ok()
        .flatten();
    match kept {
        Some(block) => block.cast(),
        None => fresh(class_layout(class)).cast(),
    }
}

/// Gives memory back.
///
/// # Safety
///
/// `memory` came from [`allocate`] for the same type, and nobody uses it any more.
pub(super) unsafe fn release<T>(memory: NonNull<T>) {
    let layout = Layout::new::<T>();
    let layout = match class(layout) {
        None => layout,
        Some(class) => {
            let block = memory.cast::<Block>();
            // A thread that is ending has no cache any more.
            let kept = CACHE.try_with(|cache| {
                // SAFETY: the block is free, and at least as large as a `Block` (class_layout).
                unsafe { cache.borrow_mut().lists[class].push(block) }
            });
            if kept.unwrap_or(false) {
                return;
            }
            class_layout(class)
        }
    };
    // SAFETY: allocated by `fresh` with this layout.
    unsafe { dealloc(memory.as_ptr().cast(), layout) };
}

#[inline(never)]
fn fresh(layout: Layout) -> NonNull<u8> {
    debug_assert!(layout.size() > 0);
    // SAFETY: the size is not zero: a cell has a header, and class sizes start at 16.
    let memory = unsafe { alloc(layout) };
    match NonNull::new(memory) {
        Some(memory) => memory,
        None => handle_alloc_error(layout),
    }
}

impl List {
    #[inline]
    fn pop(&mut self) -> Option<NonNull<Block>> {
        let block = self.first?;
        // SAFETY: a kept block is free memory that starts with a `Block`, written by `push`.
        self.first = unsafe { block.as_ref() }.next;
        self.len -= 1;
        Some(block)
    }

    /// False: the list is full, and the block is the caller's still.
    ///
    /// # Safety
    ///
    /// `block` is free, aligned for and as large as a `Block`.
    #[inline]
    unsafe fn push(&mut self, block: NonNull<Block>) -> bool {
        if self.len >= KEEP {
            return false;
        }
        // SAFETY: by contract.
        unsafe { block.write(Block { next: self.first }) };
        self.first = Some(block);
        self.len += 1;
        true
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for (class, list) in self.lists.iter_mut().enumerate() {
            while let Some(block) = list.pop() {
                // SAFETY: allocated by `fresh` with the layout of its class.
                unsafe { dealloc(block.as_ptr().cast(), class_layout(class)) };
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_size_fits_its_class() {
        for size in 1..=CLASSES * STEP {
            let layout = Layout::from_size_align(size, 8).unwrap();
            if let Some(class) = class(layout) {
                assert!(class_layout(class).size() >= size);
                assert!(class_layout(class).size() < size + STEP + REST);
            }
        }
        let wide = Layout::from_size_align(64, 64).unwrap();
        assert_eq!(
            class(wide),
            None,
            "a stricter alignment is the allocator's business"
        );
    }

    #[test]
    fn a_list_hands_out_what_it_was_given_last_first() {
        let mut list = List {
            first: None,
            len: 0,
        };
        let blocks = [allocate::<[u64; 4]>(), allocate::<[u64; 4]>()];
        for block in blocks {
            // SAFETY: just allocated, and nobody else uses it.
            let kept = unsafe { list.push(block.cast()) };
            assert_eq!(kept, KEEP > 0);
        }
        if KEEP > 0 {
            assert_eq!(list.pop(), Some(blocks[1].cast()));
            assert_eq!(list.pop(), Some(blocks[0].cast()));
        }
        assert_eq!(list.pop(), None);
        for block in blocks {
            // SAFETY: from `allocate` for this type.
            unsafe { release(block) };
        }
    }
}
