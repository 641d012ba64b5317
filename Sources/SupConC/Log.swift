import CSupCon
import SupCon

@c @implementation
public func supcon_set_log_callback(
    _ callback: supcon_log_callback?, _ level: Int32, _ user_data: UnsafeMutableRawPointer?
) -> supcon_status {
    status { () throws(SupConError) in
        let level: Log.Level = try choice(level, "level")
        guard let callback else { return Log.setListener(level, nil) }
        // The caller guarantees that its data are usable from any thread, as the header says.
        nonisolated(unsafe) let data = user_data
        Log.setListener(level) { level, message in
            message.withCString { callback(level.rawValue, $0, data) }
        }
    }
}
