import ArgumentParser
import MigrationModel
import Orchestrator

/// `livemig vm policy`.
struct VMPolicyCommand: LivemigAction {
    static let configuration = CommandConfiguration(
        commandName: "policy", abstract: "Show or change what drains and --to any do with VMs.",
        usage: "livemig vm policy <vm> ... [<options>]",
        discussion: """
            Without options for changes it only shows. The policy is part of the definition
            and goes wherever the VM goes; the guest notices nothing of a change. What is
            said to livemig drain goes before it.

            Example:
              livemig vm policy web1
              livemig vm policy db1 --priority high --anti-affinity db=required
              livemig vm policy build --drain save
              livemig vm policy web1 web2 --prefer beta --prefer gamma --forbid old
            """)

    @Argument(help: ArgumentHelp(VMNames.help, valueName: "vm"))
    var vms: [String]

    @OptionGroup(title: "Changes") var changes: GuestPolicyOptions

    @OptionGroup(title: "Common Options") var global: GlobalOptions

    func perform(
        in context: CommandContext
    ) async throws(LivemigError) -> MigrationModel.ExitCode {
        let change = try changes.change()
        let control = try context.control()
        return try await VMNames.each(vms, context) { vm async throws(LivemigError) in
            let machine = try await control.machine(vm) { policy in change.apply(to: &policy) }
            context.show(
                text: ["\(machine.summary.name) on \(machine.host)"]
                    + GuestPolicyText.lines(machine.summary.policy),
                json: MachineDocument(machine))
            return .success
        }
    }
}

/// The options that change a guest's policy.
struct GuestPolicyOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What goes first in a drain: low, medium, high or 0 to 9999.", valueName: "priority"))
    var priority: String?

    @Option(
        help: ArgumentHelp(
            "What becomes of it when its host is drained: live, save, stop or leave.",
            valueName: "way"))
    var drain: String?

    @Option(
        help: ArgumentHelp(
            "The same where it cannot move live: save, stop, leave, or none for nothing.",
            valueName: "way"))
    var fallback: String?

    @Option(
        help: ArgumentHelp(
            "A host that is better than others; may be repeated, best first. In place of those "
                + "before.", valueName: "host"))
    var prefer: [String] = []

    @Option(
        help: ArgumentHelp(
            "A host that it must not go to; may be repeated. In place of those before.",
            valueName: "host"))
    var forbid: [String] = []

    @Flag(
        name: .customLong("any-host"),
        help: "Only hosts named beside it are preferred or forbidden.")
    var anyHost = false

    @Option(
        help: ArgumentHelp(
            "It should be beside guests of this group, or none.", valueName: "group"))
    var affinity: String?

    @Option(
        name: .customLong("anti-affinity"),
        help: ArgumentHelp(
            "It should be apart from guests of this group, or must with =required; or none.",
            valueName: "group[=required]"))
    var antiAffinity: String?

    /// What takes a rule back.
    private static let none = "none"

    /// The change, its words checked.
    /// - Throws: `E-USAGE`, `E-RANGE`, `E-HOSTNAME`.
    func change() throws(LivemigError) -> GuestPolicyChange {
        var change = GuestPolicyChange()
        change.priority = try priority.map { text throws(LivemigError) in
            try Priority(parsing: text)
        }
        change.action = try drain.map { text throws(LivemigError) in
            try Self.way(text, DrainPolicy.Action.allCases, "--drain")
        }
        change.fallback = try fallback.map { text throws(LivemigError) in
            text == Self.none
                ? nil : try Self.way(text, [.save, .stop, .leave], "--fallback")
        }
        if anyHost || !prefer.isEmpty { change.preferred = try Self.hosts(prefer) }
        if anyHost || !forbid.isEmpty { change.forbidden = Set(try Self.hosts(forbid)) }
        change.affinity = try affinity.map { text throws(LivemigError) in
            text == Self.none ? nil : try Self.group(text, "--affinity")
        }
        change.antiAffinity = try antiAffinity.map { text throws(LivemigError) in
            text == Self.none ? nil : try Self.rule(text)
        }
        return change
    }

    private static func way(
        _ text: String, _ ways: [DrainPolicy.Action], _ option: String
    ) throws(LivemigError) -> DrainPolicy.Action {
        guard let way = ways.first(where: { $0.rawValue == text }) else {
            throw LivemigError(
                .usage, "\(text.escaped()) is not a way", at: option,
                fix: "write " + ways.map(\.rawValue).joined(separator: " or "))
        }
        return way
    }

    private static func hosts(_ texts: [String]) throws(LivemigError) -> [HostName] {
        try texts.map { text throws(LivemigError) in try HostName(text) }
    }

    private static func group(_ text: String, _ option: String) throws(LivemigError) -> String {
        do {
            try PlacementRules.check(group: text)
        } catch {
            throw error.at(option)
        }
        return text
    }

    private static func rule(
        _ text: String
    ) throws(LivemigError) -> PlacementRules.AntiAffinity {
        let required = "=required"
        let isHard = text.hasSuffix(required)
        let name = isHard ? String(text.dropLast(required.count)) : text
        return PlacementRules.AntiAffinity(try group(name, "--anti-affinity"), isHard: isHard)
    }
}

/// What of a guest's policy shall become different.
struct GuestPolicyChange: Hashable, Sendable {
    var priority: Priority?
    var action: DrainPolicy.Action?
    var fallback: DrainPolicy.Action??
    var preferred: [HostName]?
    var forbidden: Set<HostName>?
    var affinity: String??
    var antiAffinity: PlacementRules.AntiAffinity??

    /// Makes the change.
    func apply(to policy: inout GuestPolicy) {
        policy.priority = priority ?? policy.priority
        if let action {
            policy.drain.action = action
            // Nothing takes the place of a move that is not to be made.
            if action != .live { policy.drain.fallback = nil }
        }
        policy.drain.fallback = fallback ?? policy.drain.fallback
        policy.placement.preferred = preferred ?? policy.placement.preferred
        policy.placement.forbidden = forbidden ?? policy.placement.forbidden
        policy.placement.affinity = affinity ?? policy.placement.affinity
        policy.placement.antiAffinity = antiAffinity ?? policy.placement.antiAffinity
    }
}

/// Guest policies as text: one fact a line.
enum GuestPolicyText {
    static func lines(_ policy: GuestPolicy) -> [String] {
        let rules = policy.placement
        let fallback = policy.drain.fallback.map { ", or \($0.rawValue)" } ?? ""
        var rows = [
            ["priority", policy.priority.description],
            ["drain", policy.drain.action.rawValue + fallback],
        ]
        if !rules.preferred.isEmpty {
            rows.append(["prefers", rules.preferred.map(\.text).joined(separator: " ")])
        }
        if !rules.forbidden.isEmpty {
            rows.append(["never on", rules.forbidden.map(\.text).sorted().joined(separator: " ")])
        }
        if let group = rules.affinity { rows.append(["beside", "guests of group \(group)"]) }
        if let rule = rules.antiAffinity {
            let must = rule.isHard ? ", required" : ""
            rows.append(["apart from", "guests of group \(rule.group)\(must)"])
        }
        return TextTable.lines(rows.map { ["  \($0[0])", $0[1]] })
    }
}

/// A guest's policy in JSON.
struct GuestPolicyDocument: Encodable {
    let priority: Int
    let drain: String
    let fallback: String?
    let preferredHosts: [String]
    let forbiddenHosts: [String]
    let affinity: String?
    let antiAffinity: String?
    let antiAffinityRequired: Bool

    init(_ policy: GuestPolicy) {
        let rules = policy.placement
        priority = policy.priority.number
        drain = policy.drain.action.rawValue
        fallback = policy.drain.fallback?.rawValue
        preferredHosts = rules.preferred.map(\.text)
        forbiddenHosts = rules.forbidden.map(\.text).sorted()
        affinity = rules.affinity
        antiAffinity = rules.antiAffinity?.group
        antiAffinityRequired = rules.antiAffinity?.isHard ?? false
    }
}
