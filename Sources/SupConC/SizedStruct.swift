import CSupCon
import SupCon

/// A struct of the header that begins with its size. Programs are compiled against older and newer
/// headers than the library's: theirs may be shorter or longer than ours, and begins like ours, for
/// fields are only ever appended. Neither side reads or writes past what the other has.
protocol SizedStruct {
    /// The size in the first released version (Tests/ABI/0.2.0.h); nobody has a shorter one.
    static var firstSize: Int { get }
    var struct_size: UInt32 { get set }
    init()
}

extension SizedStruct {
    /// A zeroed one that knows its size.
    static var empty: Self {
        var value = Self()
        value.struct_size = UInt32(MemoryLayout<Self>.size)
        return value
    }

    /// The largest size that is believed; a larger one is memory that was never initialized.
    private static var largestSize: Int { 4096 }

    /// Writes this value over the caller's struct of `size` bytes, or as much of it as that has;
    /// fields that only a newer header knows become 0. NULL, or no bytes for the size itself:
    /// nothing.
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

    /// Returns the caller's struct over `defaults`, which stand for what a shorter one lacks and
    /// for NULL. Errors: argument; unsupported (a field that only a newer version has is set).
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

    /// Fills the caller's struct as far as it goes; its `struct_size` stays. Errors: argument.
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

    /// Refuses a struct that could not be filled once all has gone well, before anything is
    /// computed. NULL passes. Errors: argument.
    static func check(_ pointer: UnsafeMutablePointer<Self>?) throws(SupConError) {
        if let pointer { _ = try checkedSize(UnsafeRawPointer(pointer)) }
    }

    /// Reads no more than the size itself. Errors: argument.
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

/// Options, which Sources/Options describes.
protocol OptionStruct: SizedStruct {
    static var defaults: Self { get }
}

extension OptionStruct {
    /// Returns the caller's struct over the defaults. Errors: as above.
    static func read(_ pointer: UnsafePointer<Self>?) throws(SupConError) -> Self {
        try read(pointer, defaults: .defaults)
    }

    /// Copies one caller's struct, made by any version, into another's of `size` bytes. What cannot
    /// be read (NULL, a wrong size) leaves the defaults.
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
extension supcon_dataset_options { static var firstSize: Int { 32 } }
extension supcon_dataset_info: SizedStruct { static var firstSize: Int { 64 } }
extension supcon_augmentation_options { static var firstSize: Int { 88 } }
extension supcon_model_options { static var firstSize: Int { 104 } }
extension supcon_load_options { static var firstSize: Int { 72 } }
extension supcon_model_info: SizedStruct { static var firstSize: Int { 112 } }
extension supcon_embed_options { static var firstSize: Int { 16 } }
extension supcon_classifier_options { static var firstSize: Int { 32 } }
extension supcon_train_options { static var firstSize: Int { 392 } }
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
extension supcon_collectives: SizedStruct { static var firstSize: Int { 64 } }
