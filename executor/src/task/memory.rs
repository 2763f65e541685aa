#![expect(unsafe_code, reason = "a cache of raw memory blocks")]
//! Where task cells live: the allocator, behind a small cache per thread.
//!
//! Tasks come and go by the million, in a few sizes, and a sweep frees dozens of them at once; the allocator's own cache is too short
//! for that. So each thread keeps up to [`KEEP`] bytes of freed blocks, by size, and hands them out again. A block is kept by the
//! thread that frees it; what is too much goes back to the allocator, and so does everything when the thread ends.
//!
//! Debug builds keep nothing: every cell is then the allocator's, from birth to death, and a sanitizer sees every use after that.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::cell::RefCell;
use std::ptr::NonNull;

/// Bytes that a thread keeps, over all sizes.
const KEEP: usize = if cfg!(debug_assertions) { 0 } else { 1 << 20 };

/// Sizes are 8 more than a multiple of 16, because that is what fits a chunk of the common allocators without a rest.
const STEP: usize = 16;
const REST: usize = 8;
const ALIGN: usize = 16;
/// The largest size that is kept: `STEP * (CLASSES - 1) + REST`.
const CLASSES: usize = 64;

thread_local! {
    static CACHE: RefCell<Cache> = const { RefCell::new(Cache { lists: [None; CLASSES], kept: 0 }) };
}

/// Free blocks by size class; each holds the address of the next of its class.
struct Cache {
    lists: [Option<NonNull<Block>>; CLASSES],
    /// Their sizes, added up.
    kept: usize,
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
        .try_with(|cache| cache.borrow_mut().pop(class))
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
                unsafe { cache.borrow_mut().push(class, block, KEEP) }
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

impl Cache {
    #[inline]
    fn pop(&mut self, class: usize) -> Option<NonNull<Block>> {
        let block = self.lists[class]?;
        // SAFETY: a kept block is free memory that starts with a `Block`, written by `push`.
        self.lists[class] = unsafe { block.as_ref() }.next;
        self.kept -= class_layout(class).size();
        Some(block)
    }

    /// False: with this block more than `keep` bytes would be kept; it is the caller's still.
    ///
    /// # Safety
    ///
    /// `block` is free, aligned for and as large as a `Block`.
    #[inline]
    unsafe fn push(&mut self, class: usize, block: NonNull<Block>, keep: usize) -> bool {
        let kept = self.kept + class_layout(class).size();
        if kept > keep {
            return false;
        }
        self.kept = kept;
        let next = self.lists[class].replace(block);
        // SAFETY: by contract.
        unsafe { block.write(Block { next }) };
        true
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        for class in 0..CLASSES {
            while let Some(block) = self.pop(class) {
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
    fn a_cache_hands_out_what_it_was_given_last_first_and_keeps_no_more_than_it_may() {
        let class = class(Layout::new::<[u64; 4]>()).unwrap();
        let size = class_layout(class).size();
        let mut cache = Cache {
            lists: [None; CLASSES],
            kept: 0,
        };
        let blocks: [NonNull<[u64; 4]>; 3] = std::array::from_fn(|_| allocate());
        for (block, kept) in blocks.into_iter().zip([true, true, false]) {
            // SAFETY: just allocated, and nobody else uses it.
            assert_eq!(unsafe { cache.push(class, block.cast(), 2 * size) }, kept);
        }
        assert_eq!(cache.pop(class), Some(blocks[1].cast()));
        assert_eq!(cache.pop(class), Some(blocks[0].cast()));
        assert_eq!(cache.pop(class), None);
        assert_eq!(cache.kept, 0);
        for block in blocks {
            // SAFETY: from `allocate` for this type.
            unsafe { release(block) };
        }
    }
}
