import CSupCon
import SupCon

/// A sized struct is a struct of the header that begins with its size. Programs are compiled
/// against older and newer headers than the library's: their struct may be shorter or longer, but
/// it begins like ours, for fields are only ever appended. Neither side reads or writes beyond what
/// the other has.
protocol SizedStruct {
    /// The size in the first released version (Tests/ABI/0.2.0.h); no caller has a shorter one.
    static var firstSize: Int { get }
    var struct_size: UInt32 { get set }
    init()
}

extension SizedStruct {
    /// A zeroed struct with its size set.
    static var empty: Self {
        var value = Self()
        value.struct_size = UInt32(MemoryLayout<Self>.size)
        return value
    }

    /// The largest plausible size; a larger one indicates uninitialized memory.
    private static var largestSize: Int { 4096 }

    /// Writes this value to the caller's struct of `size` bytes, or as much of it as fits; fields
    /// that only a newer header has become 0. Does nothing for NULL, or if there is no space for
    /// the size itself.
    func initialize(_ pointer: UnsafeMutablePointer<Self>?, _ size: Int) {
        guard let pointer, size >= MemoryLayout<UInt32>.size else { return }
        let bytes = UnsafeMutableRawPointer(pointer)
        let known = min(size, MemoryLayout<Self>.size)
        withUnsafeBytes(of: self) { own in
            if let own = own.baseAddress { bytes.copyMemory(from: own, byteCount: known) }
        }
        (bytes + known).initializeMemory(as: UInt8.self, repeating: 0, count: size - known)
        bytes.storeBytes(of: UInt32(clamping: size), as: UInt32.self)
    }

    /// Returns the caller's struct over `defaults`, which supply the fields that a shorter one
    /// lacks, and all of them for NULL. Errors: argument; unsupported (a field that only a newer
    /// version has is set).
    static func read(_ pointer: UnsafePointer<Self>?, defaults: Self) throws(SupConError) -> Self {
        guard let pointer else { return defaults }
        let bytes = UnsafeRawPointer(pointer)
        let (size, whole) = (try checkedSize(bytes), MemoryLayout<Self>.size)
        if size > whole {
            let newer = UnsafeRawBufferPointer(start: bytes + whole, count: size - whole)
            try require(
                newer.allSatisfy { $0 == 0 }, .unsupported,
                """
                \(Self.self) sets a field behind its first \(whole) bytes, which this version \
                does not have; expected 0 there, or a newer libsupcon
                """
            )
        }
        var value = defaults
        withUnsafeMutableBytes(of: &value) { own in
            own.baseAddress?.copyMemory(from: bytes, byteCount: min(size, whole))
        }
        value.struct_size = UInt32(whole)
        return value
    }

    /// Fills the caller's struct up to its size; its `struct_size` is unchanged. Errors: argument.
    static func write(_ value: Self, to pointer: UnsafeMutablePointer<Self>) throws(SupConError) {
        let bytes = UnsafeMutableRawPointer(pointer)
        let size = try checkedSize(UnsafeRawPointer(bytes))
        var value = value
        value.struct_size = UInt32(size)
        withUnsafeBytes(of: value) { own in
            guard let own = own.baseAddress else { return }
            bytes.copyMemory(from: own, byteCount: min(size, MemoryLayout<Self>.size))
        }
    }

    /// Throws, before anything is computed, if a struct could not be filled afterwards. NULL is
    /// valid. Errors: argument.
    static func check(_ pointer: UnsafeMutablePointer<Self>?) throws(SupConError) {
        if let pointer { _ = try checkedSize(UnsafeRawPointer(pointer)) }
    }

    /// Returns the struct's size, reading nothing else. Errors: argument.
    private static func checkedSize(_ pointer: UnsafeRawPointer) throws(SupConError) -> Int {
        let size = Int(pointer.loadUnaligned(as: UInt32.self))
        try require(
            (firstSize...largestSize).contains(size), .argument,
            """
            \(Self.self).struct_size is \(size); expected sizeof(\(Self.self)), which is at \
            least \(firstSize): call \(Self.self)_init first
            """
        )
        return size
    }
}

/// An option struct is a sized struct that Sources/Options describes.
protocol OptionStruct: SizedStruct {
    static var defaults: Self { get }
}

extension OptionStruct {
    /// Returns the caller's struct over the defaults. Errors: those of `SizedStruct.read`.
    static func read(_ pointer: UnsafePointer<Self>?) throws(SupConError) -> Self {
        try read(pointer, defaults: .defaults)
    }

    /// Copies one caller's struct, made by any version, to another's of `size` bytes. A struct that
    /// cannot be read (NULL, a wrong size) is replaced by the defaults.
    static func copy(
        _ from: UnsafePointer<Self>?, _ to: UnsafeMutablePointer<Self>?, _ size: Int
    ) {
        ((try? read(from)) ?? defaults).initialize(to, size)
    }
}

extension supcon_context_options { static var firstSize: Int { 16 } }
extension supcon_images: SizedStruct { static var firstSize: Int { 80 } }
extension supcon_loss_options { static var firstSize: Int { 48 } }
extension supcon_loss_result: SizedStruct { static var firstSize: Int { 32 } }
extension supcon_dataset_options { static var firstSize: Int { 40 } }
extension supcon_dataset_info: SizedStruct { static var firstSize: Int { 80 } }
extension supcon_augmentation_options { static var firstSize: Int { 88 } }
extension supcon_model_options { static var firstSize: Int { 104 } }
extension supcon_load_options { static var firstSize: Int { 72 } }
extension supcon_model_info: SizedStruct { static var firstSize: Int { 112 } }
extension supcon_embed_options { static var firstSize: Int { 20 } }
extension supcon_classifier_options { static var firstSize: Int { 32 } }
extension supcon_train_options { static var firstSize: Int { 400 } }
extension supcon_search_options { static var firstSize: Int { 32 } }
extension supcon_trial: SizedStruct { static var firstSize: Int { 56 } }
extension supcon_event: SizedStruct { static var firstSize: Int { 120 } }
extension supcon_evaluate_options { static var firstSize: Int { 24 } }
extension supcon_scores: SizedStruct { static var firstSize: Int { 32 } }
extension supcon_retrieval_scores: SizedStruct { static var firstSize: Int { 48 } }
extension supcon_calibration_options { static var firstSize: Int { 8 } }
extension supcon_calibration_scores: SizedStruct { static var firstSize: Int { 56 } }
extension supcon_corruption_scores: SizedStruct { static var firstSize: Int { 24 } }
extension supcon_ood_options { static var firstSize: Int { 8 } }
extension supcon_detection_scores: SizedStruct { static var firstSize: Int { 32 } }
extension supcon_nearest_options { static var firstSize: Int { 12 } }
extension supcon_collectives: SizedStruct { static var firstSize: Int { 72 } }
