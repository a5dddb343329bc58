//! A layer between SQLite and the system's files: what the journal does to its files passes through here, is put on the
//! tape of its directory and can be made to fail. Directories without a tape are left alone.

#![allow(unsafe_code, reason = "SQLite takes a file system as a table of C functions over its own structures")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::path::Path;
use std::sync::{Arc, Once};

use rusqlite::ffi;

use super::tape::{self, Answer, Call, Step, Tape};

/// The name under which SQLite knows the layer.
const NAME: &CStr = c"koan-tape";
static REGISTERED: Once = Once::new();

/// Puts the layer under every store that this process opens from now on.
pub(super) fn install() {
    REGISTERED.call_once(|| {
        // SAFETY: the system's layer lives as long as the process, and so does ours, which is leaked; of the functions that
        // are taken over as they are, none looks at the layer that it is called with.
        let outcome = unsafe {
            let system = ffi::sqlite3_vfs_find(std::ptr::null());
            let mut layer = Box::new(*system);
            layer.szOsFile += c_int::try_from(size_of::<Opened>()).unwrap();
            layer.zName = NAME.as_ptr();
            layer.pNext = std::ptr::null_mut();
            layer.pAppData = system.cast();
            layer.xOpen = Some(open);
            layer.xDelete = Some(delete);
            ffi::sqlite3_vfs_register(Box::leak(layer), 1)
        };
        assert_eq!(outcome, ffi::SQLITE_OK);
    });
}

/// What SQLite holds for one open file; the system's own structure lies right behind it.
#[repr(C)]
struct Opened {
    base: ffi::sqlite3_file,
    /// Owned; null for a file without a tape.
    watched: *mut Watched,
}

struct Watched {
    tape: Arc<Tape>,
    file: String,
}

impl Watched {
    fn find(name: *const c_char) -> Option<Self> {
        if name.is_null() {
            return None;
        }
        // SAFETY: SQLite hands over a string with an end.
        let path = Path::new(unsafe { CStr::from_ptr(name) }.to_str().ok()?);
        let tape = tape::of(path.parent()?)?;
        Some(Self { tape, file: path.file_name()?.to_str()?.to_owned() })
    }

    fn put(&self, step: impl FnOnce(String) -> Step) {
        self.tape.put(step(self.file.clone()));
    }
}

/// SAFETY of all that call it: `file` was opened by [`open`], which makes room for both structures.
unsafe fn system(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    unsafe { file.byte_add(size_of::<Opened>()) }
}

unsafe fn watched<'a>(file: *mut ffi::sqlite3_file) -> Option<&'a Watched> {
    unsafe { (*file.cast::<Opened>()).watched.as_ref() }
}

unsafe fn functions<'a>(file: *mut ffi::sqlite3_file) -> &'a ffi::sqlite3_io_methods {
    unsafe { &*(*system(file)).pMethods }
}

unsafe extern "C" fn open(
    layer: *mut ffi::sqlite3_vfs,
    name: ffi::sqlite3_filename,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    let found = Watched::find(name);
    // SAFETY: see `install` and `system`; a file that is not opened has no functions, so that it is never closed.
    unsafe {
        (*file).pMethods = std::ptr::null();
        if found.as_ref().is_some_and(|found| found.tape.ask(Call::Open) != Answer::Go) {
            return ffi::SQLITE_CANTOPEN;
        }
        let fresh = !name.is_null() && !Path::new(CStr::from_ptr(name).to_str().unwrap_or_default()).exists();
        let below: *mut ffi::sqlite3_vfs = (*layer).pAppData.cast();
        let Some(open) = (*below).xOpen else { return ffi::SQLITE_CANTOPEN };
        let outcome = open(below, name, system(file), flags, out);
        if outcome != ffi::SQLITE_OK {
            return outcome;
        }
        if let Some(found) = found.as_ref().filter(|_| fresh) {
            found.put(|file| Step::Create { file });
        }
        (*file.cast::<Opened>()).watched = found.map_or(std::ptr::null_mut(), |found| Box::into_raw(Box::new(found)));
        (*file).pMethods = &FUNCTIONS;
        ffi::SQLITE_OK
    }
}

unsafe extern "C" fn delete(layer: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let found = Watched::find(name);
    if found.as_ref().is_some_and(|found| found.tape.ask(Call::Delete) != Answer::Go) {
        return ffi::SQLITE_IOERR_DELETE;
    }
    // SAFETY: see `install`.
    let outcome = unsafe {
        let below: *mut ffi::sqlite3_vfs = (*layer).pAppData.cast();
        (*below).xDelete.map_or(ffi::SQLITE_IOERR_DELETE, |delete| delete(below, name, sync))
    };
    if let Some(found) = found.filter(|_| outcome == ffi::SQLITE_OK) {
        found.put(|file| Step::Delete { file });
    }
    outcome
}

unsafe extern "C" fn close(file: *mut ffi::sqlite3_file) -> c_int {
    // SAFETY: SQLite closes what it opened, once.
    unsafe {
        let owned = std::mem::replace(&mut (*file.cast::<Opened>()).watched, std::ptr::null_mut());
        if !owned.is_null() {
            drop(Box::from_raw(owned));
        }
        functions(file).xClose.map_or(ffi::SQLITE_OK, |close| close(system(file)))
    }
}

unsafe extern "C" fn read(file: *mut ffi::sqlite3_file, to: *mut c_void, length: c_int, offset: i64) -> c_int {
    // SAFETY: see `system`.
    unsafe {
        if watched(file).is_some_and(|found| found.tape.ask(Call::Read) != Answer::Go) {
            return ffi::SQLITE_IOERR_READ;
        }
        functions(file).xRead.map_or(ffi::SQLITE_IOERR_READ, |read| read(system(file), to, length, offset))
    }
}

unsafe extern "C" fn write(file: *mut ffi::sqlite3_file, from: *const c_void, length: c_int, offset: i64) -> c_int {
    // SAFETY: see `system`; SQLite hands over `length` bytes.
    unsafe {
        let Some(write) = functions(file).xWrite else { return ffi::SQLITE_IOERR_WRITE };
        let Some(found) = watched(file) else { return write(system(file), from, length, offset) };
        let (length, refusal) = match found.tape.ask(Call::Write) {
            Answer::Go => (length, None),
            Answer::Full => return ffi::SQLITE_FULL,
            Answer::Broken => return ffi::SQLITE_IOERR_WRITE,
            Answer::Short => (length / 2, Some(ffi::SQLITE_FULL)),
        };
        let outcome = write(system(file), from, length, offset);
        if outcome == ffi::SQLITE_OK {
            let bytes = std::slice::from_raw_parts(from.cast::<u8>(), usize::try_from(length).unwrap_or_default());
            let offset = usize::try_from(offset).unwrap_or_default();
            found.put(|file| Step::Write { file, offset, bytes: bytes.to_vec() });
        }
        refusal.unwrap_or(outcome)
    }
}

unsafe extern "C" fn truncate(file: *mut ffi::sqlite3_file, length: i64) -> c_int {
    // SAFETY: see `system`.
    unsafe {
        if watched(file).is_some_and(|found| found.tape.ask(Call::Truncate) != Answer::Go) {
            return ffi::SQLITE_IOERR_TRUNCATE;
        }
        let outcome = functions(file).xTruncate.map_or(ffi::SQLITE_IOERR_TRUNCATE, |truncate| truncate(system(file), length));
        if let Some(found) = watched(file).filter(|_| outcome == ffi::SQLITE_OK) {
            found.put(|file| Step::Truncate { file, length: usize::try_from(length).unwrap_or_default() });
        }
        outcome
    }
}

unsafe extern "C" fn sync(file: *mut ffi::sqlite3_file, flags: c_int) -> c_int {
    // SAFETY: see `system`.
    unsafe {
        if watched(file).is_some_and(|found| found.tape.ask(Call::Sync) != Answer::Go) {
            return ffi::SQLITE_IOERR_FSYNC;
        }
        let outcome = functions(file).xSync.map_or(ffi::SQLITE_IOERR_FSYNC, |sync| sync(system(file), flags));
        if let Some(found) = watched(file).filter(|_| outcome == ffi::SQLITE_OK) {
            found.put(|file| Step::Sync { file });
        }
        outcome
    }
}

/// A function that only hands on: its slot, its further arguments, and what a system without it would answer.
macro_rules! handed_on {
    ($name:ident, $slot:ident($($argument:ident: $kind:ty),*) -> $result:ty, $absent:expr) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $argument: $kind)*) -> $result {
            // SAFETY: see `system`.
            unsafe { functions(file).$slot.map_or($absent, |function| function(system(file) $(, $argument)*)) }
        }
    };
}

handed_on!(file_size, xFileSize(size: *mut i64) -> c_int, ffi::SQLITE_IOERR_FSTAT);
handed_on!(lock, xLock(level: c_int) -> c_int, ffi::SQLITE_IOERR_LOCK);
handed_on!(unlock, xUnlock(level: c_int) -> c_int, ffi::SQLITE_IOERR_UNLOCK);
handed_on!(check_lock, xCheckReservedLock(out: *mut c_int) -> c_int, ffi::SQLITE_IOERR_CHECKRESERVEDLOCK);
handed_on!(control, xFileControl(operation: c_int, argument: *mut c_void) -> c_int, ffi::SQLITE_NOTFOUND);
handed_on!(sector_size, xSectorSize() -> c_int, 0);
handed_on!(characteristics, xDeviceCharacteristics() -> c_int, 0);
handed_on!(
    shared_map,
    xShmMap(page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void) -> c_int,
    ffi::SQLITE_IOERR_SHMMAP
);
handed_on!(shared_lock, xShmLock(offset: c_int, count: c_int, flags: c_int) -> c_int, ffi::SQLITE_IOERR_SHMLOCK);
handed_on!(shared_barrier, xShmBarrier() -> (), ());
handed_on!(shared_unmap, xShmUnmap(delete: c_int) -> c_int, ffi::SQLITE_OK);

static FUNCTIONS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    // With shared memory, without memory-mapped reads.
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_lock),
    xFileControl: Some(control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shared_map),
    xShmLock: Some(shared_lock),
    xShmBarrier: Some(shared_barrier),
    xShmUnmap: Some(shared_unmap),
    xFetch: None,
    xUnfetch: None,
};
