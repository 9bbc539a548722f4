import Glibc
import Inventory
import MigrationModel

extension SSHConfiguration.Person {
    /// Who runs this command.
    static func current(home: String?) -> SSHConfiguration.Person {
        let entry = unsafe getpwuid(geteuid())
        let name = unsafe entry.map { unsafe String(cString: $0.pointee.pw_name) }
        let folder = unsafe entry.map { unsafe String(cString: $0.pointee.pw_dir) }
        return SSHConfiguration.Person(
            name: name ?? String(geteuid()), home: home ?? folder ?? "/",
            environment: variables)
    }

    private static var variables: [String: String] {
        var values: [String: String] = [:]
        var next = unsafe environ
        while let entry = unsafe next.pointee {
            let text = unsafe String(cString: entry)
            if let equals = text.firstIndex(of: "=") {
                values[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            unsafe next += 1
        }
        return values
    }

    /// The files of ssh_config(5) that are read, the user's before the machine's, as ssh(1) does;
    /// one that was named, alone.
    /// - Parameter option: a file, `none`, or `nil` for the usual ones.
    /// - Throws: `E-USAGE` when a named file is not there.
    func configurationFiles(option: String?) throws(LivemigError) -> [String] {
        guard let option, !option.isEmpty else {
            return ["\(home)/.ssh/config", "/etc/ssh/ssh_config"]
        }
        if option == "none" { return [] }
        guard unsafe access(option, F_OK) == 0 else {
            throw LivemigError(
                .usage, "there is no such file of SSH settings", at: option.escaped(),
                fix: "name a file of ssh_config(5), or none")
        }
        return [option]
    }
}
