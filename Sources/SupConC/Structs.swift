import CSupCon
import SupCon

/// A struct of the header that begins with its size.
protocol SizedStruct {
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

    /// The caller's struct, or `defaults` for NULL. Errors: argument.
    static func read(_ pointer: UnsafePointer<Self>?, defaults: Self) throws(SupConError) -> Self {
        guard let pointer else { return defaults }
        try checkSize(UnsafeRawPointer(pointer))
        return pointer.pointee
    }

    /// Fills the caller's struct. Errors: argument.
    static func write(_ value: Self, to pointer: UnsafeMutablePointer<Self>) throws(SupConError) {
        try checkSize(UnsafeRawPointer(pointer))
        pointer.pointee = value
    }

    /// For structs that are filled once all has gone well: a wrong one is refused before anything
    /// is computed. Errors: argument.
    static func check(_ pointer: UnsafeMutablePointer<Self>?) throws(SupConError) {
        if let pointer { try checkSize(UnsafeRawPointer(pointer)) }
    }

    /// Fields are only ever appended: a larger struct, of a program built for a later version,
    /// begins like ours.
    private static func checkSize(_ pointer: UnsafeRawPointer) throws(SupConError) {
        let (size, whole) = (Int(pointer.loadUnaligned(as: UInt32.self)), MemoryLayout<Self>.size)
        try require(
            size >= whole, .argument,
            "\(Self.self).struct_size is \(size); expected \(whole): call \(Self.self)_init first")
    }
}

extension supcon_context_options: SizedStruct {}
extension supcon_images: SizedStruct {}
extension supcon_loss_options: SizedStruct {}
extension supcon_loss_result: SizedStruct {}
extension supcon_dataset_options: SizedStruct {}
extension supcon_dataset_info: SizedStruct {}
extension supcon_augmentation_options: SizedStruct {}
extension supcon_model_options: SizedStruct {}
extension supcon_load_options: SizedStruct {}
extension supcon_model_info: SizedStruct {}
extension supcon_embed_options: SizedStruct {}
extension supcon_classifier_options: SizedStruct {}
extension supcon_train_options: SizedStruct {}
extension supcon_event: SizedStruct {}
extension supcon_evaluate_options: SizedStruct {}
extension supcon_scores: SizedStruct {}
extension supcon_retrieval_scores: SizedStruct {}
extension supcon_calibration_options: SizedStruct {}
extension supcon_calibration_scores: SizedStruct {}
extension supcon_corruption_scores: SizedStruct {}
extension supcon_ood_options: SizedStruct {}
extension supcon_detection_scores: SizedStruct {}

/// The enumeration's case of that number. Errors: argument.
func choice<Choice: RawRepresentable & CaseIterable>(_ raw: Int32, _ field: String)
    throws(SupConError) -> Choice where Choice.RawValue == Int32
{
    guard let found = Choice(rawValue: raw) else {
        throw SupConError(
            .argument,
            """
            \(field) is \(raw); expected \
            \(Choice.allCases.map { "\($0.rawValue) (\($0))" }.joined(separator: ", "))
            """
        )
    }
    return found
}

/// 0 or 1. Errors: argument.
func flag(_ raw: Int32, _ field: String) throws(SupConError) -> Bool {
    try require(raw == 0 || raw == 1, .argument, "\(field) is \(raw); expected 0 or 1")
    return raw == 1
}

/// A size that came as int64_t. Errors: argument.
func count(_ value: Int64, _ name: String, least: Int = 0) throws(SupConError) -> Int {
    try require(value >= Int64(least), .argument, "\(name) is \(value); expected \(least) or more")
    return Int(value)
}
